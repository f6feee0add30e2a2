import re

import pytest

from shared.results.formats import FILE_NAME_PATTERN, FORMATS, PNG, SVG, split_file_name, transparent_name

NAMES = ("512.png", "1024-4.png", "512-transparent.png", "512-2-transparent.png", "64.webp", "2048-3.jpeg", "512.avif")


@pytest.mark.parametrize("name", [*NAMES, "logo.svg", "logo-2.svg", "icons.zip", "icons-4.zip"])
def test_every_name_of_a_file_is_known_and_has_its_format(name):
    assert re.match(FILE_NAME_PATTERN, name)
    stem, form = split_file_name(name)
    assert form.file_name(stem) == name
    assert form is FORMATS[name.rpartition(".")[2]]


@pytest.mark.parametrize(
    "name",
    ["512", "5.png", "512-1.png", "512.svg", "512.zip", "512.jpg", "512-transparent.webp", "logo.png", "x"],
)
def test_other_names_are_refused(name):
    assert not re.match(FILE_NAME_PATTERN, name)


def test_only_a_plain_png_is_stored_under_its_bare_name():
    assert PNG.part_name("512-2") == "512-2"
    assert PNG.part_name(transparent_name(512, 1)) == "512-2-transparent.png"
    assert SVG.part_name("logo") == "logo.svg"
