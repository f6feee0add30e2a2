"""Only answers that compression makes smaller are compressed."""

import pytest

BODY = {"prompt": "a red fox", "sizes": [64, 512]}


@pytest.mark.parametrize("path", ["/api/jobs", "/openapi.json", "/"])
async def test_lists_and_pages_are(serve, path):
    async with serve() as http:
        for _ in range(3):
            await http.post("/api/jobs", json=BODY)
        answer = await http.get(path, headers={"Accept": "text/html"})
        assert (answer.headers["Content-Encoding"], answer.status_code) == ("gzip", 200)
        assert "Accept-Encoding" in answer.headers["Vary"]
        plain = await http.get(path, headers={"Accept": "text/html", "Accept-Encoding": "identity"})
        assert "Content-Encoding" not in plain.headers
        assert plain.content == answer.content
        assert int(answer.headers["Content-Length"]) < len(plain.content) / 2


async def test_jobs_images_and_streams_are_not(serve, succeed):
    async with serve() as http:
        job = (await http.post("/api/jobs", json=BODY)).json()
        succeed(job["id"])
        urls = (await http.get(f"/api/jobs/{job['id']}")).json()["urls"]
        for url in (urls["self"], urls["images"]["512"], urls["events"]):
            assert "Content-Encoding" not in (await http.get(url)).headers
