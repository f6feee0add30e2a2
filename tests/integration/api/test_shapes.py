"""Jobs for pictures that are no squares, through each of the interfaces."""

import pytest

from shared.jobs import Job
from shared.ledger import keys, moves, reads
from shared.ledger.outlook import outlook
from shared.pace import Shape
from shared.results import places
from shared.results.redis_store import RedisResults

WIDE = {"prompt": "a red fox", "width": 1536, "height": 512, "num_images": 2}


@pytest.fixture
def succeed_with(ledger, client):
    def _succeed(job_id, size):
        ledger.run(moves.claim(job_id, worker="w", delivery="d"))
        ledger.run(moves.finish(job_id, 1, width=256, height=256, model="m"))
        RedisResults(client).put(places.images(job_id, 1), {size: "AAAA", f"{size}-2": "BBBB"}, 3600)
        ledger.run(moves.succeed(job_id, 1, images_ttl_seconds=3600, ttl_seconds=3600))

    return _succeed


async def test_a_wide_job_from_its_request_to_its_images(serve, ledger, client, succeed_with):
    async with serve() as http:
        created = (await http.post("/api/jobs", json=WIDE)).json()
        assert (created["sizes"], created["width"], created["height"]) == ([], 1536, 512)
        url = f"/api/jobs/{created['id']}"
        assert ledger.run(outlook()).queued[0].shape == Shape(896, 0, 2, oblong=True)
        succeed_with(created["id"], "1536x512")
        job = (await http.get(url)).json()
        assert job["images"] == {"1536x512": "AAAA"}
        assert job["urls"]["images"] == {"1536x512": f"{url}/images/1536x512.png"}
        assert job["variations"][1]["urls"] == {"1536x512": f"{url}/images/1536x512-2.png"}
        assert (await http.get(f"{url}/images/1536x512-2.png")).status_code == 200
        absent = (await http.get(f"{url}/images/1536.png")).json()["error"]
        assert (absent["code"], "1536x512.png" in absent["message"]) == ("image_not_found", True)
        assert (await http.get("/api/jobs")).json()["jobs"][0]["width"] == 1536
        seen = (await http.get(f"/v1/predictions/{created['id']}")).json()
        assert (seen["input"]["width"], seen["input"]["height"], len(seen["output"])) == (1536, 512, 2)
    # A process of an older version reads the longer edge.
    assert client.hget(keys.job(created["id"]), "sizes") == b"[1536]"


async def test_a_record_of_an_older_version_has_squares(ledger, serve, client):
    async with serve() as http:
        created = (await http.post("/api/jobs", json={"prompt": "a fox", "sizes": [64, 128]})).json()
    record = {name.decode(): value.decode() for name, value in client.hgetall(keys.job(created["id"])).items()}
    assert "canvas" not in record
    assert [str(size) for size in Job.from_record(record).canvases] == ["64", "128"]
    assert (created["sizes"], created["width"]) == ([64, 128], None)


@pytest.mark.parametrize(
    ("path", "body", "size"),
    [
        ("/v1/images/generations", {"size": "1536x1024"}, "1536x1024"),
        ("/v1/images/generations", {"size": "1024x1792"}, "1024x1792"),
        ("/v1/images/generations", {"size": "512x512"}, ""),
        ("/v1/predictions", {"aspect_ratio": "16:9"}, "1344x768"),
        ("/v1/predictions", {"aspect_ratio": "9:21"}, "640x1536"),
        ("/v1/predictions", {"aspect_ratio": "custom", "width": 1024, "height": 512}, "1024x512"),
        ("/v1/predictions", {"width": 512}, ""),
    ],
)
async def test_other_protocols_ask_for_the_shape_they_name(serve, ledger, path, body, size):
    """Never a square for an oblong."""
    async with serve(request_timeout=1) as http:
        asked = {"prompt": "a red fox"} | body
        await http.post(path, json={"input": asked} if path.endswith("predictions") else asked)
        job = ledger.run(reads.job(ledger.run(reads.queued())[0])).job
        assert job.canvas == size
        assert job.sizes == (job.largest.longest,)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"width": 512}, "height"),
        ({"aspect": "16x9"}, "aspect"),
        ({"aspect": "3:1", "height": 512, "width": 512}, "aspect"),
        ({"width": 2048, "height": 500}, "height"),
        ({"width": 4096, "height": 1024}, "width"),
    ],
)
async def test_a_shape_that_cannot_be_is_a_422_and_nothing_is_queued(serve, client, fields, named):
    async with serve() as http:
        refused = await http.post("/api/jobs", json={"prompt": "a red fox"} | fields)
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "validation_error")
        assert ".".join(map(str, refused.json()["detail"][0]["loc"][1:])) == named
    assert client.keys("logo:job:*") == []
