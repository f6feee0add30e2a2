"""A body whose Content-Type is missing or another."""

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
