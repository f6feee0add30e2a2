import io
import zipfile

import c2pa
import numpy as np
import pytest
from PIL import Image

from shared.outputs import Outputs
from worker.outputs import encoding, ground, making, tracing
from worker.outputs.credentials import open_signer
from worker.outputs.making import Marking, make

ALL = Outputs(formats=("png", "webp", "jpeg", "avif", "svg"), transparent=True, icons=True)
PLAIN = ["64.png", "128.png"]
CLEAR = ["64-transparent.png", "128-transparent.png"]
OTHER = [f"{size}.{form}" for form in ("webp", "jpeg", "avif") for size in (64, 128)]


@pytest.fixture(scope="module")
def drawn(draw):
    return draw((255, 255, 255), ((220, 38, 38), 100), ((255, 255, 255), 40), side=256).image


def names(made):
    return [file.name for file in made.files]


def opened(made, name):
    (data,) = [file.data for file in made.files if file.name == name]
    return Image.open(io.BytesIO(data))


def test_all_of_it(drawn, about):
    made = make(drawn, (128, 64, 128), 0, ALL, about, Marking())
    assert names(made) == [*PLAIN, *CLEAR, *OTHER, "logo.svg", "icons.zip"]
    assert made.warnings == []
    assert len(made.palette) == 2
    assert set(made.seconds) == {"transparent", "webp", "jpeg", "avif", "svg", "icons"}
    for file in made.files:
        assert file.name.endswith(f".{file.format}")
        if file.format in ("png", "webp", "jpeg", "avif"):
            image = Image.open(io.BytesIO(file.data))
            assert image.size == (file.width, file.height)
            assert image.get_format_mimetype() == file.media_type
            clear = file.format in ("webp", "avif") or "transparent" in file.name
            assert (image.convert("RGBA").getpixel((0, 0))[3] == 0) is clear


def test_further_variations_have_names_of_their_own(drawn, about):
    made = make(drawn, (64,), 1, ALL, about, Marking())
    assert names(made) == [
        "64-2.png", "64-2-transparent.png", "64-2.webp", "64-2.jpeg", "64-2.avif", "logo-2.svg", "icons-2.zip",
    ]  # fmt: skip


def test_without_wishes_there_are_the_plain_pngs(drawn, about):
    made = make(drawn, (64,), 0, Outputs(), about, Marking())
    assert names(made) == ["64.png"]
    made = make(drawn, (64,), 0, Outputs(formats=("webp",)), about, Marking())
    assert names(made) == ["64.png", "64.webp"]
    assert opened(made, "64.webp").mode == "RGB"


def test_a_picture_without_a_plain_ground_stays_opaque_and_says_so(about):
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)).resize((256, 256))
    made = make(noise, (64,), 0, Outputs(("png", "webp"), transparent=True, icons=True), about, Marking())
    assert names(made) == ["64.png", "64.webp", "icons.zip"]
    (warning,) = [warning for warning in made.warnings if warning.code == "background_not_uniform"]
    assert "64-transparent.png, 64.webp, icons.zip" in warning.message
    assert opened(made, "64.webp").convert("RGBA").getpixel((0, 0))[3] == 255


@pytest.mark.parametrize(
    ("module", "name", "code", "lost"),
    [
        (ground, "cut_out", "transparent_failed", CLEAR),
        (tracing, "trace", "svg_failed", ["logo.svg"]),
        (making, "icons", "icons_failed", ["icons.zip"]),
    ],
)
def test_a_step_that_fails_costs_its_own_output_only(module, name, code, lost, drawn, about, monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("broken")

    monkeypatch.setattr(module, name, fail)
    made = make(drawn, (64, 128), 0, ALL, about, Marking())
    everything = [*PLAIN, *CLEAR, *OTHER, "logo.svg", "icons.zip"]
    assert names(made) == [name for name in everything if name not in lost]
    assert [warning.code for warning in made.warnings] == [code]
    assert all(name in made.warnings[0].message for name in lost)


@pytest.mark.parametrize("form", ["webp", "jpeg", "avif"])
def test_an_encoder_that_fails_costs_its_own_files_only(form, drawn, about, monkeypatch):
    save = encoding._save

    def fail(image, chosen, options):
        if chosen.name == form:
            raise OSError("encoder error")
        return save(image, chosen, options)

    monkeypatch.setattr(encoding, "_save", fail)
    made = make(drawn, (64, 128), 0, ALL, about, Marking())
    assert [name for name in OTHER if name not in names(made)] == [f"64.{form}", f"128.{form}"]
    assert [(w.code, w.message) for w in made.warnings] == [
        (f"{form}_failed", f"no 64.{form}"),
        (f"{form}_failed", f"no 128.{form}"),
    ]


def test_a_tracer_that_panics_fails_as_others_do(drawn, about, monkeypatch):
    class PanicException(BaseException):
        pass

    def panic(*arguments, **options):
        raise PanicException("index out of bounds")

    monkeypatch.setattr(tracing.vtracer, "convert_raw_image_to_svg", panic)
    made = make(drawn, (64,), 0, Outputs(("png", "svg"), icons=True), about, Marking())
    assert names(made) == ["64.png", "icons.zip"]
    assert [warning.code for warning in made.warnings] == ["svg_failed"]
    with zipfile.ZipFile(io.BytesIO(made.files[-1].data)) as archive:
        assert "logo.svg" not in archive.namelist()


def test_everything_is_signed_but_the_zip(drawn, about):
    made = make(drawn, (64, 128), 0, ALL, about, Marking(signer=open_signer(None, None)))
    assert made.warnings == []
    for file in made.files[:-1]:
        assert c2pa.Reader(file.media_type, io.BytesIO(file.data)).get_validation_state() == "Valid", file.name


def test_a_signer_that_fails_leaves_the_files_unsigned(drawn, about):
    class Broken:
        def sign(self, data, media_type):
            raise RuntimeError("no key")

    made = make(drawn, (64,), 0, Outputs(("webp",)), about, Marking(signer=Broken()))
    assert names(made) == ["64.png", "64.webp"]
    assert [(w.code, w.message) for w in made.warnings] == [
        ("signing_failed", "no content credentials in 64.png, 64.webp")
    ]


def test_no_file_names_the_prompt_if_that_is_not_wanted(drawn, about):
    made = make(drawn, (64,), 0, ALL, about, Marking(metadata=False))
    assert all(b"white fox" not in file.data for file in made.files)
    made = make(drawn, (64,), 0, ALL, about, Marking())
    assert [file.name for file in made.files if b"white fox" not in file.data] == ["icons.zip"]
