import io
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from shared.results.formats import AVIF, FORMATS, JPEG, PNG, WEBP
from worker.outputs.encoding import encode, encode_plain
from worker.outputs.metadata import SOURCE_TYPE, About, rdf

RASTER = [form for form in FORMATS.values() if form.encoder]


def opened(data):
    return Image.open(io.BytesIO(data))


def difference(one, other):
    return np.abs(np.asarray(one, dtype=int) - np.asarray(other, dtype=int)).mean()


@pytest.mark.parametrize("form", RASTER, ids=lambda form: form.name)
def test_each_format_opens_as_itself_and_looks_the_same(form, logo, about):
    image = opened(encode(logo.image, form, about))
    assert (image.format, image.size, image.mode) == (form.encoder, logo.image.size, "RGB")
    assert difference(image, logo.image) <= (0 if form in (PNG, WEBP) else 1)


@pytest.mark.parametrize("form", [form for form in RASTER if form.has_alpha], ids=lambda form: form.name)
def test_what_is_transparent_stays_so(form, logo, about):
    picture = logo.image.convert("RGBA")
    picture.putalpha(Image.fromarray((logo.mask * 255).astype(np.uint8)))
    image = opened(encode(picture, form, about)).convert("RGBA")
    assert difference(image.getchannel("A"), picture.getchannel("A")) <= (0 if form in (PNG, WEBP) else 1)


@pytest.mark.parametrize("form", [WEBP, JPEG, AVIF], ids=lambda form: form.name)
def test_less_quality_takes_fewer_bytes(form, about):
    noise = np.random.default_rng(1).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    low, high = (len(encode(Image.fromarray(noise), form, about, quality=quality)) for quality in (5, 95))
    assert low < high / 2
    assert not (form is WEBP and difference(opened(encode(Image.fromarray(noise), form, about)), noise))


@pytest.mark.parametrize("form", RASTER, ids=lambda form: form.name)
@pytest.mark.parametrize("detailed", [True, False])
def test_a_file_says_what_made_it_and_of_what_only_if_wanted(form, detailed, logo, about):
    data = encode(logo.image, form, about, detailed=detailed)
    image = opened(data)
    image.load()
    found = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    packet = found.decode() if isinstance(found, bytes) else found
    assert SOURCE_TYPE in packet
    assert ("a &lt;red&gt; &amp; white fox" in packet) is detailed
    assert (b"white fox" in data) is detailed
    if form is PNG and detailed:
        assert image.text["prompt"] == about.prompt
        assert {name: image.text[name] for name in ("seed", "model", "steps", "guidance", "version")} == {
            "seed": "7", "model": "mini", "steps": "28", "guidance": "3.5", "version": "2.0.0",
        }  # fmt: skip


def test_a_prompt_with_any_character_makes_sound_xml():
    odd = About("\x00a]]>\ud800<&\x0b\uffff😀", 1, "", 4, None, "2")
    described = ET.fromstring(rdf(odd, detailed=True))
    assert "a]]><&😀" in "".join(described.itertext())
    assert opened(encode(Image.new("RGB", (8, 8)), PNG, odd)).text["prompt"] == "a]]><&😀"


def test_a_png_for_another_file_says_nothing(logo):
    assert opened(encode_plain(logo.image)).info == {}
