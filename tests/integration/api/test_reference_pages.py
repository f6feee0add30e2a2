"""/docs and /redoc load nothing from elsewhere, and what they load is what npm has under its version."""

import base64
import hashlib
import re

import pytest

from api import assets
from api.reference_pages import VENDORED


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_a_page_loads_this_servers_files_alone(serve, path):
    async with serve() as http:
        answer = await http.get(path)
        assert "/openapi.json" in answer.text
        assert "https://" not in answer.text
        assert not re.search(r"<script(?![^>]* src=)", answer.text)
        loaded = re.findall(r"<(?:script|link)\b[^>]*? (?:src|href)=(\S+?)[ >]", answer.text)
        assert loaded
        for address in loaded:
            assert (await http.get(address)).status_code == 200, address
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert (policy["script-src"], policy["default-src"]) == ("'self'", "'none'")
    assert policy["frame-ancestors"] == "'none'"


@pytest.mark.parametrize("name", VENDORED)
def test_a_file_is_what_npm_has(name):
    digest = hashlib.sha384(assets.files()[name].read_bytes()).digest()
    assert base64.b64encode(digest).decode() == VENDORED[name][1]
