"""What a job makes beside plain PNGs: asked for, listed with its URLs, and fetched as bytes."""

import asyncio
import base64
import json

import pytest

from shared.jobs import JobFile, JobWarning
from shared.ledger import moves, reads
from shared.outputs import Outputs
from shared.results import places
from shared.results.formats import FORMATS
from shared.results.redis_store import RedisResults

BODY = {"prompt": "a red fox", "sizes": [64], "seed": 3}
EVERYTHING = BODY | {
    "formats": ["png", "webp", "jpeg", "avif", "svg"],
    "quality": 80,
    "transparent": True,
    "holes": "cut",
    "icons": True,
    "num_images": 2,
}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"/>'
FILES = {
    "64.webp": b"webp" * 200,
    "64.jpeg": b"jpeg" * 100,
    "64-2-transparent.png": b"png" * 70_000,
    "logo.svg": SVG,
    "icons.zip": b"PK\3\4" * 100,
}
WARNINGS = (JobWarning("avif_failed", "no 64.avif"),)
NAMES = ["64.png", "64-2.png", *FILES]


@pytest.fixture
def succeed_with(ledger, client):
    """Does the workers' part of a job that makes FILES."""

    def _succeed(job_id, files=FILES, warnings=WARNINGS):
        ledger.run(moves.claim(job_id, worker="w", delivery="d"))
        ledger.run(moves.finish(job_id, 1, width=64, height=64, model="m"))
        parts = {name: base64.b64encode(data) for name, data in files.items()}
        RedisResults(client).put(places.images(job_id, 1), {"64": "AAAA", "64-2": "BBBB"} | parts, 3600)
        made = tuple(_file(name, data) for name, data in files.items())
        ledger.run(
            moves.succeed(
                job_id,
                1,
                images_ttl_seconds=3600,
                ttl_seconds=3600,
                files=made,
                warnings=tuple(warnings),
                palette=("#c8321e", "#ffffff"),
            )
        )

    return _succeed


def _file(name, data):
    form = name.rpartition(".")[2]
    return JobFile(name, form, len(data), 0 if form == "zip" else 64, 0 if form == "zip" else 64)


@pytest.fixture
async def drawn(serve, succeed_with):
    async with serve() as http:
        job_id = (await http.post("/api/jobs", json=EVERYTHING)).json()["id"]
        succeed_with(job_id)
        yield http, f"/api/jobs/{job_id}"


async def test_the_record_has_what_was_asked_for(serve, ledger):
    async with serve() as http:
        job = (await http.post("/api/jobs", json=EVERYTHING)).json()
        assert (job["files"], job["warnings"], job["palette"]) == ([], [], [])
        asked = ledger.run(reads.job(job["id"])).job
    assert asked.outputs.formats == ("png", "webp", "jpeg", "avif", "svg")
    assert (asked.quality, asked.transparent, asked.holes, asked.icons) == (80, True, "cut", True)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"formats": ["png", "gif"]}, "formats.1"),
        ({"formats": "webp"}, "formats"),
        ({"quality": 80}, "quality"),
        ({"formats": ["jpeg"], "transparent": True}, "transparent"),
        ({"holes": "keep"}, "holes"),
        ({"icons": "yes"}, "icons"),
    ],
)
async def test_what_cannot_be_made_is_a_422_that_names_it_and_nothing_is_queued(serve, client, fields, named):
    async with serve() as http:
        refused = await http.post("/api/jobs", json=BODY | fields)
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "validation_error")
        assert refused.json()["error"]["message"].startswith(f"{named}: ")
        assert ".".join(map(str, refused.json()["detail"][0]["loc"][1:])) == named
        assert (await http.get("/api/jobs")).json()["jobs"] == []
    assert client.keys("logo:job:*") == []


async def test_a_retry_of_an_earlier_version_is_the_same_job(serve, client):
    """The fingerprint of a request without outputs has no trace of them; with the defaults given it is the same."""
    async with serve() as http:
        key = {"Idempotency-Key": "k"}
        first = await http.post("/api/jobs", json=BODY, headers=key)
        fingerprint = client.get(next(iter(client.keys("logo:idempotency:*")))).split()[1]
        assert fingerprint.decode() == "20b94c16b48cf28c017eadff17993411f1db4d279294d789365b00c47065893c"
        same = BODY | {"formats": ["png"], "transparent": False, "icons": False, "quality": None, "holes": None}
        again = await http.post("/api/jobs", json=same, headers=key)
        assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
        other = await http.post("/api/jobs", json=BODY | {"icons": True}, headers=key)
        assert other.json()["error"]["code"] == "idempotency_conflict"


async def test_the_job_lists_its_files_without_their_data(drawn):
    http, url = drawn
    job = (await http.get(url)).json()
    assert job["images"] == {"64": "AAAA"}
    assert [variation["images"]["64"] for variation in job["variations"]] == ["AAAA", "BBBB"]
    assert [file["name"] for file in job["files"]] == list(FILES)
    for file in job["files"]:
        assert file["url"] == f"{url}/images/{file['name']}"
        assert (file["bytes"], file["data"]) == (len(FILES[file["name"]]), None)
        assert file["media_type"] == FORMATS[file["format"]].media_type
        assert (file["width"], file["height"]) == ((None, None) if file["format"] == "zip" else (64, 64))
    assert job["warnings"] == [{"code": "avif_failed", "message": "no 64.avif"}]
    assert job["palette"] == ["#c8321e", "#ffffff"]
    light = (await http.get(url, params={"include": "none"})).json()
    assert (light["files"], light["images"]) == (job["files"], None)
    listed = (await http.get("/api/jobs")).json()["jobs"][0]
    assert (listed["files"], listed["images"]) == (job["files"], None)


async def test_the_data_of_the_files_comes_where_it_is_asked_for(drawn):
    http, url = drawn
    job = (await http.get(url, params={"include": "files"})).json()
    assert job["images"] == {"64": "AAAA"}
    assert {file["name"]: base64.b64decode(file["data"]) for file in job["files"]} == FILES


async def test_an_event_stream_has_the_files_without_their_data(drawn):
    http, url = drawn
    events = (await http.get(f"{url}/events")).text
    done = json.loads(events.partition("event: done\ndata: ")[2].partition("\n")[0])
    assert [(file["name"], file["data"]) for file in done["files"]] == [(name, None) for name in FILES]


@pytest.mark.parametrize("name", FILES)
async def test_each_file_is_served_with_its_type_etag_and_ranges(drawn, name):
    http, url = drawn
    whole = await http.get(f"{url}/images/{name}")
    assert (whole.status_code, whole.content) == (200, FILES[name])
    assert whole.headers["Content-Type"].partition(";")[0] == FORMATS[name.rpartition(".")[2]].media_type
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    part = await http.get(f"{url}/images/{name}", headers={"Range": "bytes=5-20"})
    assert (part.status_code, part.content) == (206, FILES[name][5:21])
    known = await http.get(f"{url}/images/{name}", headers={"If-None-Match": whole.headers["ETag"]})
    assert (known.status_code, known.content) == (304, b"")
    head = await http.head(f"{url}/images/{name}")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(FILES[name]))


async def test_an_svg_runs_nothing_and_a_zip_is_saved(drawn):
    http, url = drawn
    svg = await http.get(f"{url}/images/logo.svg")
    assert svg.headers["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert "Content-Disposition" not in svg.headers
    bundle = await http.get(f"{url}/images/icons.zip")
    assert bundle.headers["Content-Disposition"] == 'attachment; filename="icons.zip"'


@pytest.mark.parametrize("name", ["64.avif", "512.png", "64-3.png", "logo-2.svg", "64-transparent.png"])
async def test_a_file_that_is_not_there_is_a_404_with_those_that_are(drawn, name):
    http, url = drawn
    lacking = await http.get(f"{url}/images/{name}")
    assert (lacking.status_code, lacking.json()["error"]["code"]) == (404, "image_not_found")
    assert all(known in lacking.json()["error"]["message"] for known in NAMES)


async def test_files_have_signed_urls(serve, succeed_with):
    async with serve(url_signing_keys=["k" * 32], api_keys=["one"]) as http:
        headers = {"X-API-Key": "one"}
        job_id = (await http.post("/api/jobs", json=EVERYTHING, headers=headers)).json()["id"]
        succeed_with(job_id)
        files = (await http.get(f"/api/jobs/{job_id}", headers=headers)).json()["files"]
        for file in files:
            assert (await http.get(file["url"])).content == FILES[file["name"]]
            other = file["url"].replace(file["name"], "64.png")
            assert (await http.get(other)).status_code == 403


async def test_files_expire_and_are_dropped_with_the_images(drawn, client):
    http, url = drawn
    RedisResults(client).drop(places.images(url.rpartition("/")[2], 1))
    assert client.keys("logo:images:*") == []
    gone = await http.get(f"{url}/images/logo.svg")
    assert (gone.status_code, gone.json()["error"]["code"]) == (410, "images_expired")


OPENAI = {"prompt": "a red fox", "size": "64x64"}


@pytest.fixture
async def generated(serve, ledger, succeed_with):
    """Makes a call of OpenAI's clients, whose job makes these files; returns the answer and the job."""

    async def _generated(asked, files, warnings=()):
        async with serve() as http:
            call = asyncio.create_task(http.post("/v1/images/generations", json=OPENAI | asked))
            async with asyncio.timeout(20):
                while not (queued := ledger.run(reads.queued())):
                    await asyncio.sleep(0.01)
            await asyncio.to_thread(succeed_with, queued[0], files, warnings)
            answer = await call
            assert answer.status_code == 200, answer.text
            return answer.json(), ledger.run(reads.job(queued[0])).job

    return _generated


@pytest.mark.parametrize(
    ("asked", "name", "outputs"),
    [
        ({"output_format": "webp"}, "64.webp", Outputs(("webp",))),
        ({"output_format": "webp", "output_compression": 0}, "64.webp", Outputs(("webp",), 1)),
        ({"output_format": "jpeg", "output_compression": 90}, "64.jpeg", Outputs(("jpeg",), 90)),
        ({"output_format": "svg"}, "logo.svg", Outputs(("svg",))),
        ({"background": "transparent"}, "64-transparent.png", Outputs(transparent=True)),
        ({"background": "transparent", "output_format": "webp"}, "64.webp", Outputs(("webp",), transparent=True)),
    ],
)
@pytest.mark.parametrize("response_format", ["b64_json", "url"])
async def test_openais_clients_get_what_they_ask_for(generated, asked, name, outputs, response_format):
    answer, job = await generated(asked | {"response_format": response_format}, {name: b"the file"})
    assert job.outputs == outputs
    assert answer["output_format"] == asked.get("output_format", "png")
    assert answer["background"] == asked.get("background", "opaque")
    (image,) = answer["data"]
    if response_format == "url":
        assert image["url"].endswith(f"/images/{name}")
    else:
        assert base64.b64decode(image["b64_json"]) == b"the file"


async def test_openais_clients_are_told_what_could_not_be_made(generated):
    ground = JobWarning("background_not_uniform", "no transparency")
    answer, _ = await generated({"background": "transparent"}, {}, [ground])
    assert (answer["output_format"], answer["background"]) == ("png", "opaque")
    assert answer["data"] == [{"b64_json": "AAAA"}]
    answer, _ = await generated({"background": "transparent", "output_format": "webp"}, {"64.webp": b"w"}, [ground])
    assert (answer["output_format"], answer["background"]) == ("webp", "opaque")
    answer, _ = await generated({"output_format": "webp", "n": 2}, {"64.webp": b"only the first"})
    assert (answer["output_format"], answer["data"]) == ("png", [{"b64_json": "AAAA"}, {"b64_json": "BBBB"}])
