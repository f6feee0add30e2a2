import base64
import io

import pytest
from PIL import Image

from shared.jobs import Job, JobStatus
from shared.results import footprint
from worker.finish.encode import encode_images, make_all
from worker.outputs.making import Marking


def job(width, height, sizes, **options):
    return Job(
        id="j", status=JobStatus.FINISHING, prompt="p", sizes=sizes, seed=1, width=width, height=height, **options
    )


@pytest.fixture
def drawn():
    drawn = Image.new("RGB", (256, 256), "white")
    drawn.paste("red", (64, 64, 192, 192))
    return drawn


def test_one_png_for_each_distinct_size(drawn):
    images = encode_images(make_all(drawn.tobytes(), job(256, 256, (512, 64, 512, 256)), Marking()))
    assert list(images) == ["64", "256", "512"]
    for name, encoded in images.items():
        size = int(name)
        image = Image.open(io.BytesIO(base64.b64decode(encoded)))
        assert (image.format, image.size, image.mode) == ("PNG", (size, size), "RGB")
        assert image.getpixel((size // 2, size // 2)) == (255, 0, 0)
        assert image.getpixel((0, 0)) == (255, 255, 255)
    assert Image.open(io.BytesIO(base64.b64decode(images["256"]))).tobytes() == drawn.tobytes()


def test_a_further_format_has_names_of_its_own(drawn):
    finished = make_all(drawn.tobytes() * 2, job(256, 256, (64,), num_images=2, formats=("png", "webp")), Marking())
    images = encode_images(finished)
    assert set(images) == {"64", "64-2", "64.webp", "64-2.webp"}
    assert [(file.name, file.width) for file in finished.files] == [("64.webp", 64), ("64-2.webp", 64)]
    decoded = [Image.open(io.BytesIO(base64.b64decode(images[name]))) for name in ("64-2", "64-2.webp")]
    assert [image.format for image in decoded] == ["PNG", "WEBP"]
    assert decoded[0].convert("RGB").tobytes() == decoded[1].convert("RGB").tobytes()


def test_the_palette_is_that_of_all_variations(drawn):
    blue = Image.new("RGB", (256, 256), "white")
    blue.paste("blue", (64, 64, 192, 192))
    asked = job(256, 256, (64,), num_images=2, formats=("svg",))
    palette = make_all(drawn.tobytes() + blue.tobytes(), asked, Marking()).palette
    assert sorted(palette) == ["#0000ff", "#ff0000", "#ffffff"]


def test_a_file_for_which_no_room_is_reserved_is_left_out(drawn, monkeypatch):
    monkeypatch.setattr(footprint, "ICONS_PIXELS", 100)
    finished = make_all(drawn.tobytes(), job(256, 256, (64,), formats=("webp",), icons=True), Marking())
    assert [file.name for file in finished.files] == ["64.webp"]
    assert [warning.code for warning in finished.warnings] == ["file_too_large"]
    assert all(part in finished.warnings[0].message for part in ("icons.zip", "300"))


@pytest.mark.parametrize("pixels", [b"", b"short", bytes(256 * 256 * 3 + 1)])
def test_what_is_no_whole_image_is_an_error(pixels):
    with pytest.raises(ValueError, match="not whole RGB images"):
        make_all(pixels, job(256, 256, (64,)), Marking())


def test_several_images_have_a_sheet_of_all(drawn):
    others = [Image.new("RGB", (256, 256), colour) for colour in ("blue", "green")]
    pixels = b"".join(image.tobytes() for image in (drawn, *others))
    finished = make_all(pixels, job(256, 256, (64,), num_images=3, sheet=True), Marking())
    (file,) = finished.files
    sheet = Image.open(io.BytesIO(file.data))
    assert (file.name, sheet.size) == ("sheet.png", (file.width, file.height))
    assert set(encode_images(finished)) == {"64", "64-2", "64-3", "sheet.png"}
    tiles = [(16 + 64, 16 + 128), (16 + 272 + 128, 16 + 128), (16 + 128, 16 + 300 + 128)]
    assert [sheet.getpixel(place) for place in tiles] == [(255, 0, 0), (0, 0, 255), (0, 128, 0)]
    assert (sheet.info["prompt"], sheet.info["seed"]) == ("p", "1")
    assert len(make_all(drawn.tobytes(), job(256, 256, (64,), sheet=True), Marking()).files) == 0


def test_the_largest_sheet_has_its_room(monkeypatch):
    noise = [Image.effect_noise((2048, 2048), 90).convert("RGB") for _ in range(4)]
    pixels = b"".join(image.tobytes() for image in noise)
    (file,) = make_all(pixels, job(2048, 2048, (64,), num_images=4, sheet=True), Marking()).files
    assert file.width * file.height <= footprint.SHEET_PIXELS


def test_a_sheet_that_cannot_be_made_is_a_warning(drawn, monkeypatch):
    monkeypatch.setattr("worker.outputs.making.sheet", lambda *_: 1 / 0)
    finished = make_all(drawn.tobytes() * 2, job(256, 256, (64,), num_images=2, sheet=True), Marking())
    assert [warning.code for warning in finished.warnings] == ["sheet_failed"]
    assert list(finished.images) == ["64", "64-2"]


def test_the_share_is_the_lowest_of_all_images(drawn):
    asked = job(256, 256, (64,), num_images=2, colors=("#0a7b83",), background_color="#ffffff")
    assert make_all(drawn.tobytes() * 2, asked, Marking()).colors_share == 1.0
    assert make_all(drawn.tobytes() * 2, job(256, 256, (64,), num_images=2), Marking()).colors_share is None
