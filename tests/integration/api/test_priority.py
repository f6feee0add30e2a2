"""Priorities in the ledger and on the transport; the bound on one key's queued jobs."""

import asyncio

import pytest

from api import auth, submission
from shared.jobs import Job, JobStatus, Priority
from shared.ledger import keys, moves, reads
from shared.queue import GENERATE, PRIORITIES, waiting_job_ids
from shared.schemas import JobRequest

BODY = {"prompt": "a red fox", "sizes": [64]}
HEAVY, LIGHT = {"X-API-Key": "heavy"}, {"X-API-Key": "light"}


def create(ledger, job_id, priority=Priority.NORMAL, **options):
    owner = options.pop("owner", "")
    job = Job(id=job_id, status=JobStatus.QUEUED, prompt="fox", sizes=(64,), seed=1, priority=priority, owner=owner)
    return ledger.run(moves.create(job, max_queue=999, **options)).outcome


def order(ledger):
    return ledger.run(reads.queued())


def delivered(celery_app, count):
    """The ids of jobs in the order in which a worker gets them."""
    with celery_app.connection_for_read() as connection:
        queue = connection.SimpleQueue(celery_app.amqp.queues[GENERATE])
        ids = [queue.get(timeout=5).headers["id"] for _ in range(count)]
        queue.close()
    return ids


def test_the_queue_ranks_by_priority_then_creation(ledger):
    for name in ("low-1", "normal-1", "high-1", "low-2", "normal-2", "high-2"):
        create(ledger, name, Priority(name.split("-")[0]))
    assert order(ledger) == ["high-1", "high-2", "normal-1", "normal-2", "low-1", "low-2"]
    assert ledger.run(reads.job("normal-1")).queue_position == 3


def test_one_that_is_drawn_again_keeps_its_place(ledger):
    for name in ("high", "low", "normal"):
        create(ledger, name, Priority(name))
    for name in ("low", "high"):
        ledger.run(moves.claim(name, worker="w", delivery="d"))
        ledger.run(moves.requeue(name, 1))
    assert order(ledger) == ["high", "normal", "low"]


@pytest.mark.parametrize("priority", Priority)
def test_the_oldest_age_is_found_in_each_priority(ledger, client, priority):
    create(ledger, "job", priority)
    create(ledger, "other", Priority.HIGH)
    client.zadd(keys.QUEUED, {"job": client.zscore(keys.QUEUED, "job") - 60_000})
    found = ledger.run(reads.backlog())
    assert found.depth == 2
    assert 60 <= found.oldest_age_seconds < 90


def test_what_an_older_version_queued_has_normal_priority(ledger, client):
    create(ledger, "old")
    client.hdel("logo:job:old", "priority", "queue_score")
    client.delete(f"{keys.OWN_QUEUED}:")
    create(ledger, "high", Priority.HIGH)
    create(ledger, "low", Priority.LOW)
    assert ledger.run(reads.job("old")).job.priority is Priority.NORMAL
    assert ledger.run(moves.claim("old", worker="w", delivery="d")).outcome.holds
    assert ledger.run(moves.requeue("old", 1)).outcome.holds
    assert order(ledger) == ["high", "old", "low"]


async def test_workers_get_the_higher_first(serve, client, celery_app, ledger):
    async with serve() as http:
        ids = {}
        for priority in ("low", "normal", "high"):
            job = (await http.post("/api/jobs", json=BODY | {"priority": priority})).json()
            assert job["priority"] == priority
            ids[priority] = job["id"]
        assert waiting_job_ids(client, GENERATE) == set(ids.values())
        assert delivered(celery_app, 3) == [ids[p] for p in ("high", "normal", "low")]
        assert order(ledger) == [ids[priority] for priority in ("high", "normal", "low")]
        assert (await http.post("/api/jobs", json=BODY | {"priority": "urgent"})).status_code == 422


def test_each_priority_has_a_list_of_its_own(celery_app):
    with celery_app.connection_for_read() as connection:
        channel = connection.default_channel
        assert len({channel._q_for_pri(GENERATE, number) for number in PRIORITIES.values()}) == len(Priority)


async def test_one_heavy_key_does_not_starve_the_rest(serve, client, ledger):
    async with serve(api_keys=("heavy", "light"), max_queue_length=10, max_queued_per_key=4) as http:
        answers = await asyncio.gather(*(http.post("/api/jobs", json=BODY, headers=HEAVY) for _ in range(30)))
        taken = [answer.json()["id"] for answer in answers if answer.status_code == 202]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert (len(taken), len(refused)) == (4, 26)
        assert {answer.json()["error"]["code"] for answer in refused} == {"too_many_queued"}
        assert {answer.headers["Retry-After"] for answer in refused} == {"10"}
        light = await http.post("/api/jobs", json=BODY, headers=LIGHT)
        assert (light.status_code, light.json()["queue_position"]) == (202, 2)
        # A place becomes free as soon as one of the key's jobs is taken or ends.
        ledger.run(moves.claim(taken[0], worker="w", delivery="d"))
        await http.delete(f"/api/jobs/{taken[1]}", headers=HEAVY)
        again = [(await http.post("/api/jobs", json=BODY, headers=HEAVY)).status_code for _ in range(3)]
        assert again == [202, 202, 429]


async def test_high_priority_is_drawn_first_and_has_a_bound_of_its_own(serve, celery_app, ledger):
    async with serve(api_keys=("heavy", "light"), max_queued_per_key=5, max_queued_high_per_key=2) as http:

        async def submit(who, priority):
            return await http.post("/api/jobs", json=BODY | {"priority": priority}, headers=who)

        answers = [await submit(HEAVY, "normal")]
        answers += await asyncio.gather(*(submit(HEAVY, "high") for _ in range(30)))
        refused = [answer for answer in answers if answer.status_code == 429]
        assert len(refused) == 28
        assert {answer.json()["error"]["code"] for answer in refused} == {"too_many_high"}
        assert {answer.headers["Retry-After"] for answer in refused} == {"10"}
        light, normal = await submit(LIGHT, "high"), await submit(HEAVY, "normal")
        assert (light.status_code, light.json()["queue_position"], normal.status_code) == (202, 2, 202)
        ids = [answer.json()["id"] for answer in (*answers, light, normal) if answer.status_code == 202]
        first, *urgent, last = ids
        assert order(ledger)[1::2] == [light.json()["id"], first]
        assert (set(order(ledger)[:3:2]), order(ledger)[4]) == (set(urgent[:2]), last)
        drawn = delivered(celery_app, len(ids))
        assert (set(drawn[:2]), drawn[2:]) == (set(urgent[:2]), [light.json()["id"], first, last])
        # A place for a high priority becomes free as soon as one such job is taken.
        ledger.run(moves.claim(urgent[0], worker="w", delivery="d"))
        assert [(await submit(HEAVY, "high")).status_code for _ in range(2)] == [202, 429]


async def test_what_a_key_creates_in_a_minute_is_bounded_also_if_it_cancels(serve, client):
    async with serve(api_keys=("heavy", "light"), max_created_per_key_per_minute=3) as http:
        key = HEAVY | {"Idempotency-Key": "k"}
        first = (await http.post("/api/jobs", json=BODY, headers=key)).json()["id"]
        for job_id in [first, *[(await http.post("/api/jobs", json=BODY, headers=HEAVY)).json()["id"] for _ in "23"]]:
            assert (await http.delete(f"/api/jobs/{job_id}", headers=HEAVY)).json()["status"] == "canceled"
        refused = await http.post("/api/jobs", json=BODY, headers=HEAVY)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_requests")
        assert "the bound is 3" in refused.json()["detail"]
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        # A repeat creates nothing, and other keys have minutes of their own.
        assert (await http.post("/api/jobs", json=BODY, headers=key)).json()["id"] == first
        assert (await http.post("/api/jobs", json=BODY, headers=LIGHT)).status_code == 202
        (minute,) = client.keys(f"{keys.OWN_CREATED}:{auth.digest('heavy')}")
        assert 0 < client.pttl(minute) <= 60_000
        client.delete(minute)
        assert (await http.post("/api/jobs", json=BODY, headers=HEAVY)).status_code == 202


async def test_a_repeat_of_a_job_that_is_queued_is_not_refused(serve):
    key = HEAVY | {"Idempotency-Key": "k"}
    async with serve(api_keys=("heavy",), max_queued_per_key=1) as http:
        first = await http.post("/api/jobs", json=BODY, headers=key)
        again = await http.post("/api/jobs", json=BODY, headers=key)
        assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])


async def test_without_keys_only_the_queues_own_bound_holds(serve):
    async with serve(max_queued_per_key=1) as http:
        assert [(await http.post("/api/jobs", json=BODY)).status_code for _ in range(3)] == [202] * 3


def test_a_job_that_is_drawn_again_may_pass_the_bound(ledger):
    assert create(ledger, "a", owner="o", max_own=1) == "created"
    ledger.run(moves.claim("a", worker="w", delivery="d"))
    assert create(ledger, "b", owner="o", max_own=1) == "created"
    assert ledger.run(moves.requeue("a", 1)).outcome.holds
    assert create(ledger, "c", owner="o", max_own=1) == "owner_full"


def test_a_repeat_across_an_update_is_the_same_request():
    fields = (
        '{"prompt":"fox","sizes":[64],"seed":null,"steps":null,"guidance":null,"enhance":true,"deadline_seconds":null}'
    )
    request = JobRequest.model_validate({"prompt": "fox", "sizes": [64]})
    assert submission._fingerprint(request) == submission.hashlib.sha256(fields.encode()).hexdigest()
    high = JobRequest.model_validate({"prompt": "fox", "sizes": [64], "priority": "high"})
    assert submission._fingerprint(high) != submission._fingerprint(request)
