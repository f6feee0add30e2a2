"""A caller's own jobs in pages; index entries live no longer than the records."""

import pytest

from shared.jobs import Job, JobStatus
from shared.ledger import keys, listing, moves, replies
from shared.results import places

BODY = {"prompt": "a red fox", "sizes": [64]}
ONE, TWO = {"X-API-Key": "one"}, {"X-API-Key": "two"}


def create(ledger, job_id, owner=""):
    job = Job(id=job_id, status=JobStatus.QUEUED, prompt="fox", sizes=(64,), seed=1, owner=owner)
    ledger.run(moves.create(job, max_queue=9999))


async def pages(http, **params):
    found, cursor, count = [], None, 0
    while True:
        query = params | ({"cursor": cursor} if cursor else {})
        answer = (await http.get("/api/jobs", params=query)).json()
        found += [job["id"] for job in answer["jobs"]]
        cursor, count = answer["next_cursor"], count + 1
        if not cursor:
            return found, count


async def test_pages_newest_first_each_job_once(serve, ledger):
    for i in range(45):
        create(ledger, f"job-{i}")
    async with serve() as http:
        found, count = await pages(http, limit=20)
        assert (found, count) == ([f"job-{i}" for i in reversed(range(45))], 3)
        first = (await http.get("/api/jobs?limit=2")).json()
        create(ledger, "newer")
        second = (await http.get("/api/jobs", params={"limit": 2, "cursor": first["next_cursor"]})).json()
        assert [job["id"] for job in second["jobs"]] == ["job-42", "job-41"]
        assert first["jobs"][0]["queue_position"] == 45


async def test_by_status(serve, ledger, succeed, monkeypatch):
    for i in range(6):
        create(ledger, f"job-{i}")
    succeed("job-1")
    ledger.run(moves.cancel("job-4", ttl_seconds=60))
    async with serve() as http:
        assert (await pages(http, status="succeeded"))[0] == ["job-1"]
        assert (await pages(http, status="queued"))[0] == ["job-5", "job-3", "job-2", "job-0"]
        assert (await pages(http, status="running"))[0] == []
        monkeypatch.setattr(listing, "LOOKED_AT", 2)
        assert await pages(http, status="succeeded") == (["job-1"], 4)


async def test_each_key_sees_its_own(serve):
    async with serve(api_keys=("one", "two")) as http:
        mine = (await http.post("/api/jobs", json=BODY, headers=ONE)).json()["id"]
        assert [job["id"] for job in (await http.get("/api/jobs", headers=ONE)).json()["jobs"]] == [mine]
        assert (await http.get("/api/jobs", headers=TWO)).json() == {"jobs": [], "next_cursor": None}
        assert (await http.get("/api/jobs")).status_code == 401


async def test_image_data_is_not_moved(serve, succeed, client):
    async with serve() as http:
        job_id = (await http.post("/api/jobs", json=BODY)).json()["id"]
        succeed(job_id)
        client.delete(places.images(job_id, 1).key)
        client.set(places.images(job_id, 1).key, "any read of it would fail: not a hash")
        [job] = (await http.get("/api/jobs")).json()["jobs"]
        assert (job["status"], job["images"], list(job["urls"]["images"])) == ("succeeded", None, ["64"])


@pytest.mark.parametrize(
    ("query", "name"),
    [("status=done", "status"), ("limit=0", "limit"), ("limit=101", "limit")]
    + [(f"cursor={cursor}", "cursor") for cursor in ("x", "!!", "K2luZg", "w6k", "a" * 65, "2aHZog")],
)
async def test_bad_queries_are_named(serve, query, name):
    async with serve() as http:
        response = await http.get(f"/api/jobs?{query}")
        assert (response.status_code, response.json()["error"]["code"]) == (422, "validation_error")
        assert name in response.json()["error"]["message"]


def test_the_index_is_no_longer_than_the_records(ledger, client):
    for i in range(30):
        create(ledger, f"old-{i}", owner="gone")
        ledger.run(moves.cancel(f"old-{i}", ttl_seconds=60))
    create(ledger, "queued", owner="gone")
    assert client.zcard(f"{keys.OWNED}:gone") == 31
    # As if their TTL had run out.
    for member, _ in client.zscan_iter(keys.FORGET):
        client.zadd(keys.FORGET, {member: 1})
        client.delete(f"logo:job:{member.split()[0].decode()}")
    assert ledger.run(listing.page("gone")).next_cursor is None
    assert [r.job.id for r in ledger.run(listing.page("gone")).readings] == ["queued"]
    for i in range(3):
        create(ledger, f"new-{i}", owner="other")
    assert client.zrange(f"{keys.OWNED}:gone", 0, -1) == [b"queued"]
    assert client.zcard(keys.FORGET) == 0


def test_a_record_of_an_older_version_ends_without_an_owner(ledger, client):
    create(ledger, "job")
    client.hdel("logo:job:job", "owner")
    assert ledger.run(moves.cancel("job", ttl_seconds=60)).outcome is replies.Outcome.MOVED
