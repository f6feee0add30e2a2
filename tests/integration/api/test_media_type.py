"""A body whose Content-Type is missing or another."""

import gzip

import pytest


@pytest.mark.parametrize("path", ["/api/jobs", "/api/generate_logo", "/v1/images/generations"])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "Content-Type: application/json is missing"),
        (
            "application/x-www-form-urlencoded",
            "Content-Type: must be application/json, not application/x-www-form-urlencoded",
        ),
        ("text/plain; charset=utf-8", "Content-Type: must be application/json, not text/plain"),
    ],
)
async def test_json_under_another_name_is_said_to_be_so(serve, path, given, said):
    async with serve() as http:
        headers = {"Content-Type": given} if given else {}
        error = (await http.post(path, content=b'{"prompt": "a red fox"}', headers=headers)).json()["error"]
        assert error["message"] == said
        # What is no object is said to be that.
        error = (await http.post(path, json=["a red fox"])).json()["error"]
        assert error["message"].startswith("body: ")


@pytest.mark.parametrize(
    ("headers", "content", "message"),
    [
        (
            {"Content-Encoding": "gzip"},
            gzip.compress(b'{"prompt": "fox"}', mtime=0),
            "Content-Encoding: must be absent",
        ),
        ({"Content-Encoding": "br"}, b"\x0b\x08\x80fox\x03", "Content-Encoding: must be absent"),
        ({"Content-Type": "application/json; charset=ISO-8859-1"}, b'{"prompt": "fux \xfc"}', "not in iso-8859-1"),
        ({}, b'{"prompt": "fux \xfc"}', "body: JSON decode error"),
    ],
)
async def test_a_body_that_is_coded_is_said_to_be_so(serve, headers, content, message):
    async with serve() as http:
        answer = await http.post("/api/jobs", headers={"Content-Type": "application/json"} | headers, content=content)
        assert (answer.status_code, message in answer.json()["error"]["message"]) == (422, True), answer.text
