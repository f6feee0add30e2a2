"""An image as bytes: in parts, and not again if the caller has it."""

import pytest

BODY = {"prompt": "a red fox", "sizes": [64]}


@pytest.fixture
def chosen_store(store_settings):
    """Each test, over each store."""
    return store_settings


@pytest.fixture
async def image(serve, succeed):
    async with serve() as http:
        job_id = (await http.post("/api/jobs", json=BODY)).json()["id"]
        succeed(job_id)

        async def get(**headers):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await http.get(f"/api/jobs/{job_id}/images/64.png", headers=named)

        yield get


async def test_a_download_that_was_cut_goes_on(image):
    whole = await image()
    assert (whole.status_code, whole.headers["Accept-Ranges"]) == (200, "bytes")
    start, size = 40, len(whole.content)
    rest = await image(Range=f"bytes={start}-", If_Range=whole.headers["ETag"])
    assert (rest.status_code, whole.content[:start] + rest.content) == (206, whole.content)
    assert rest.headers["Content-Range"] == f"bytes {start}-{size - 1}/{size}"
    assert int(rest.headers["Content-Length"]) == size - start
    assert rest.headers["ETag"] == whole.headers["ETag"]
    other = await image(Range=f"bytes={start}-", If_Range='"of-another"')
    assert (other.status_code, other.content) == (200, whole.content)


async def test_a_range_behind_the_end(image):
    size = len((await image()).content)
    response = await image(Range=f"bytes={size}-")
    assert (response.status_code, response.json()["error"]["code"]) == (416, "range_not_satisfiable")
    assert response.headers["Content-Range"] == f"bytes */{size}"


async def test_what_the_caller_has_is_not_sent_again(image):
    etag = (await image()).headers["ETag"]
    for value in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        response = await image(If_None_Match=value)
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["Cache-Control"] == "private, max-age=3600, immutable"
    assert (await image(If_None_Match='"other"')).status_code == 200
