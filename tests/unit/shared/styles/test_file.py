"""STYLES_FILE: what it may say, and that a broken one ends the start with one line."""

import pytest

from api.settings import ApiSettings
from shared.settings import load
from shared.styles.file import read
from shared.styles.known import Styles
from shared.styles.table import Lora

GOOD = '[neon]\ntitle = "Neon"\ndescription = "Tubes."\ntemplate = "a sign: {prompt}"\n'


def test_a_style_is_read(tmp_path):
    (tmp_path / "s.toml").write_text("\ufeff" + GOOD + 'lora = { path = "/loras/neon.safetensors", scale = 0.8 }\n')
    (style,) = read(tmp_path / "s.toml")
    assert (style.name, style.title, style.template) == ("neon", "Neon", "a sign: {prompt}")
    assert style.lora == Lora("neon.safetensors", 0.8)
    assert str(style.lora) == "neon.safetensors:0.8"


def test_a_style_with_a_known_name_replaces_it(tmp_path):
    (tmp_path / "s.toml").write_text(GOOD.replace("neon", "emblem"))
    styles = Styles(read(tmp_path / "s.toml"))
    assert styles.find("emblem").title == "Neon"
    assert styles.names == Styles().names
    assert styles.picture("emblem") is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[neon", "TOML"),
        ("neon = 3", "must be a table"),
        (GOOD.replace("[neon]", '["Neon sign"]'), "a-z"),
        (GOOD + "colour = 1", "[neon] colour"),
        (GOOD.replace('title = "Neon"\n', ""), "[neon] title"),
        (GOOD.replace('"Neon"', '"' + 41 * "n" + '"'), "40 characters"),
        (GOOD.replace("Tubes.", r"Tubes\nand more"), "[neon] description"),
        (GOOD.replace("{prompt}", "prompt"), "[neon] template: must have {prompt}"),
        (GOOD.replace("{prompt}", "{prompt} {prompt}"), "[neon] template"),
        (GOOD.replace("{prompt}", "{prompt} {color}"), "no other brace"),
        (GOOD + 'picture = "missing.webp"', "missing.webp"),
        (GOOD + 'picture = "s.toml"', "is no PNG, JPEG or WebP"),
        (GOOD + 'lora = "neon.safetensors"', "[neon] lora"),
        (GOOD + 'lora = { path = "n.safetensors", scale = nan }', "[neon] lora.scale"),
        (GOOD + 'lora = { path = "n.safetensors", size = 2 }', "[neon] lora"),
    ],
    ids=lambda value: value[-24:].replace("\n", " "),
)
def test_a_broken_file_ends_the_start_with_one_line(tmp_path, monkeypatch, capsys, text, named):
    path = tmp_path / "s.toml"
    path.write_text(text)
    monkeypatch.setenv("STYLES_FILE", str(path))
    with pytest.raises(SystemExit) as end:
        load(ApiSettings)
    (line,) = capsys.readouterr().err.splitlines()
    assert end.value.code == 2
    assert line.startswith("setting STYLES_FILE=")
    assert named in line


@pytest.mark.parametrize("content", [None, b"\xff\xfe[neon]"], ids=["missing", "no text"])
def test_a_file_that_is_none(tmp_path, monkeypatch, capsys, content):
    if content:
        (tmp_path / "s.toml").write_bytes(content)
    monkeypatch.setenv("STYLES_FILE", str(tmp_path / "s.toml"))
    with pytest.raises(SystemExit) as end:
        load(ApiSettings)
    assert (end.value.code, len(capsys.readouterr().err.splitlines())) == (2, 1)
