"""GET /api/styles: the styles of the table and of an operator's file, each with its picture."""

import io
import re

import pytest
from PIL import Image

from shared.styles.table import BUILT_IN, PICTURES

NEON = """[neon]
title = "Neon sign"
description = "Glowing tubes on a dark wall."
template = "{{prompt}}, as a neon sign"
{more}
"""


async def test_each_style_has_its_words_and_a_picture_that_anybody_may_see(serve):
    async with serve(api_keys=("a-key-of-sixteen-characters",)) as http:
        answer = await http.get("/api/styles")
        styles = answer.json()["styles"]
        assert [style["name"] for style in styles] == [style.name for style in BUILT_IN]
        assert {"minimal", "line_art", "emblem", "mascot", "monogram", "gradient", "luxury", "three_d"} <= {
            style["name"] for style in styles
        }
        assert re.fullmatch(r"public, max-age=\d+", answer.headers["Cache-Control"])
        for style in styles:
            assert all(style[field] for field in ("title", "description", "picture", "example"))
            picture = await http.get(style["picture"])
            assert (picture.status_code, picture.headers["Content-Type"]) == (200, "image/webp")
            assert Image.open(io.BytesIO(picture.content)).size == (256, 256)
            assert "immutable" in picture.headers["Cache-Control"]
            again = await http.get(style["picture"], headers={"If-None-Match": picture.headers["ETag"]})
            assert (again.status_code, again.content) == (304, b"")


def test_the_pictures_are_small_and_each_belongs_to_a_style():
    assert {path.stem for path in PICTURES.glob("*.webp")} == {style.name for style in BUILT_IN}
    assert sum(path.stat().st_size for path in PICTURES.iterdir()) < 200_000


async def test_an_operators_styles_are_listed_too(serve, tmp_path):
    Image.new("RGB", (8, 8), "navy").save(tmp_path / "neon.png")
    file = tmp_path / "styles.toml"
    file.write_text(NEON.format(more='picture = "neon.png"') + NEON.format(more="").replace("[neon]", "[bare]"))
    async with serve(styles_file=file, root_path="/logo") as http:
        *_, neon, bare = (await http.get("/api/styles")).json()["styles"]
        assert (neon["name"], neon["title"], bare["name"], bare["picture"]) == ("neon", "Neon sign", "bare", None)
        assert neon["picture"].startswith("/logo/api/styles/neon/picture?v=")
        picture = await http.get(neon["picture"].removeprefix("/logo"))
        assert (picture.headers["Content-Type"], picture.content) == ("image/png", (tmp_path / "neon.png").read_bytes())


@pytest.mark.parametrize(("name", "status"), [("bare", 404), ("Emblem", 422)])
async def test_a_picture_that_is_none(serve, name, status):
    async with serve() as http:
        assert (await http.get(f"/api/styles/{name}/picture")).status_code == status
