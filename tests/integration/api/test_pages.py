"""The pages' files: found by name alone, kept for good, compressed; and no page runs a script of its own text."""

import json
import re

import pytest

from api import assets
from shared.schemas import JobRequest

HTML = {"Accept": "text/html"}


@pytest.mark.parametrize("path", ["/", "/jobs/3f0c2d0e-6a5b-4f53-8d43-6f3a2f9f8f10"])
async def test_the_studio_names_only_files_that_are_there(serve, path):
    async with serve() as http:
        answer = await http.get(path, headers=HTML)
        loaded = re.findall(r"<(?:script|link)\b[^>]*? (?:src|href)=(\S+?)[ >]", answer.text)
        assert any(address.endswith("/studio.js") for address in loaded)
        for address in loaded:
            assert (await http.get(address)).status_code == 200, address
    assert "'unsafe-" not in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    scripts = re.findall(r"<script(?![^>]* src=)([^>]*)>", answer.text)
    assert scripts == [' type="application/json" id="options"']
    assert not re.search(r"<style| style=| on\w+=", answer.text)


async def test_the_studio_is_told_what_a_job_may_ask_for(serve):
    async with serve(previews=True) as http:
        text = (await http.get("/", headers=HTML)).text
    told = json.loads(re.search(r'id="options">(.*?)</script>', text)[1])
    assert set(told["fields"]) == set(JobRequest.model_fields)
    assert told["fields"]["num_images"]["maximum"] == 4
    assert told["previews"] is True


async def test_the_studio_may_fetch_images_from_the_store_that_has_them(serve):
    elsewhere = {
        "result_store": "s3://logos",
        "aws_endpoint_url": "https://s3.example:9000/x",
        "result_redirects": True,
    }
    async with serve(**elsewhere) as http:
        policy = (await http.get("/", headers=HTML)).headers["Content-Security-Policy"]
    assert "connect-src 'self' https://s3.example:9000;" in policy


async def test_a_file_is_kept_for_good_under_its_version_only(serve):
    async with serve() as http:
        mine = await http.get(f"/static/{assets.version()}/studio.js")
        assert (mine.headers["Cache-Control"], mine.headers["Content-Encoding"]) == (
            "public, max-age=31536000, immutable",
            "gzip",
        )
        other = await http.get("/static/0000/studio.js", headers={"Accept-Encoding": "identity"})
        assert other.headers["Cache-Control"] == "no-cache"
        assert other.content == mine.content == assets.files()["studio.js"].read_bytes()


@pytest.mark.parametrize("name", ["app.py", "..%2Fapp.py", "%2e%2e/app.py", "studio.html", "../../app.py"])
async def test_what_is_no_file_of_the_pages_is_not_found(serve, name):
    async with serve() as http:
        assert (await http.get(f"/static/{assets.version()}/{name}")).status_code == 404


def test_every_word_is_there_in_both_languages():
    text = assets.files()["strings.js"].read_text()
    english, german = (
        dict(re.findall(r"(?:^|[ ,])(\w+): \"(.*?)\"", text[text.index(f"const {language} ") :].split("};")[0]))
        for language in ("en", "de")
    )
    assert len(english) > 100
    assert sorted(english) == sorted(german)
    for name, words in english.items():
        assert set(re.findall(r"\{\w+\}", words)) == set(re.findall(r"\{\w+\}", german[name])), name
    modules = " ".join(path.read_text() for path in assets.files().values() if path.suffix == ".js")
    pages = " ".join(path.read_text() for path in (assets.STATIC / "pages").glob("*.html"))
    used = set(re.findall(r'\bt\("(\w+)"', modules)) | set(re.findall(r'data-t(?:-label|-placeholder)?="(\w+)"', pages))
    assert used <= set(english), used - set(english)
    # Of words that are chosen while the page runs, such as t(`act_${action}`), there is one at least.
    for beginning in re.findall(r"\bt\(`(\w+_)\$", modules):
        assert any(name.startswith(beginning) for name in english), beginning
