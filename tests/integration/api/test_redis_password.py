"""A Redis that asks for a password: the one in the URL is used, and never logged."""

import pytest

from shared.queue import GENERATE, waiting_job_ids

BODY = {"prompt": "a red fox", "sizes": [64]}
PASSWORD = "open-sesame-4711"


@pytest.fixture
def locked(own_valkey):
    with own_valkey.client() as client:
        client.config_set("requirepass", PASSWORD)
        yield own_valkey


async def test_the_password_of_the_url_is_used(serve, locked, capfd):
    url = locked.url.replace("redis://", f"redis://:{PASSWORD}@")
    async with serve(redis_url=url) as http:
        job = await http.post("/api/jobs", json=BODY)
        assert job.status_code == 202
        assert (await http.get("/health")).status_code == 200
    locked.url = url
    with locked.client() as client:
        assert waiting_job_ids(client, GENERATE) == {job.json()["id"]}
    assert PASSWORD not in "".join(capfd.readouterr())


@pytest.mark.parametrize("given", ["", ":wrong-4711@"])
async def test_without_it_a_submit_is_a_503_and_the_log_says_why(serve, locked, capfd, given):
    async with serve(redis_url=locked.url.replace("redis://", f"redis://{given}")) as http:
        refused = await http.post("/api/jobs", json=BODY)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
    said = "".join(capfd.readouterr())
    assert "uthentication" in said or "WRONGPASS" in said
    assert "wrong-4711" not in said
