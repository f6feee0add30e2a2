"""/docs and /redoc load nothing whose content is not fixed."""

import re

import pytest


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_a_page_runs_no_script_without_its_version_and_digest(serve, path):
    async with serve() as http:
        page = (await http.get(path)).text
        assert "/openapi.json" in page
    tags = re.findall(r"<(?:script|link)\b[^>]*https?://[^>]*>", page)
    assert tags
    for tag in tags:
        assert re.search(r'"https://cdn\.jsdelivr\.net/npm/[\w-]+@\d+\.\d+\.\d+/', tag), tag
        assert re.search(r'integrity="sha384-[A-Za-z0-9+/]{64}" crossorigin="anonymous"', tag), tag
