"""The whole stack with Redis at its maxmemory: nothing is drawn twice, and it goes on as soon as there is room."""

import time

import pytest
import redis

ROOM = "2gb"


@pytest.fixture
def stack(whole):
    return whole


@pytest.fixture
def client(stack):
    with redis.Redis.from_url(stack.redis_url) as client:
        yield client
        client.config_set("maxmemory", ROOM)


def worker(stack):
    (worker,) = stack.workers()
    return worker


def refusal(stack):
    response = stack.http.post("/api/jobs", json={"prompt": "a red fox", "sizes": [1024]})
    return response.status_code, response.json()["error"]["code"]


def ends(stack, jobs, since, capsys):
    """Waits for all jobs; prints the seconds until the first had succeeded."""
    found = [stack.end_of(jobs[0]["id"])]
    with capsys.disabled():
        print(f" first success {time.monotonic() - since:.1f} s after there was room")
    found += [stack.end_of(job["id"]) for job in jobs[1:]]
    assert [(job["status"], job["attempt"]) for job in found] == [("succeeded", 1)] * len(jobs)


def test_what_is_drawn_while_redis_is_full_is_drawn_once(stack, client, capsys):
    jobs = [stack.submit(sizes=[256], steps=28) for _ in range(3)]
    stack.wait_until(lambda: stack.get(jobs[0]["id"])["status"] == "running")
    client.config_set("maxmemory", 1)
    # The first job is drawn and cannot be stored; longer than a lease, its worker holds it.
    drawn = stack.wait_until(lambda: stack.events(event="job.denoised", job_id=jobs[0]["id"]))
    lease = time.monotonic() + 12
    stack.wait_until(lambda: time.monotonic() > lease)
    assert len(drawn) == 1
    assert refusal(stack) == (503, "service_unavailable")
    assert stack.http.get("/health/ready").status_code == 200
    client.config_set("maxmemory", ROOM)
    ends(stack, jobs, time.monotonic(), capsys)
    assert [len(stack.events(event="job.denoised", job_id=job["id"])) for job in jobs] == [1, 1, 1]
    assert [stack.events(event="job.requeued", job_id=job["id"]) for job in jobs] == [[], [], []]


def test_without_room_drawing_waits_and_says_so(stack, client, capsys):
    waited_before = len(stack.events(event="worker.waits_for_room"))
    first, second = stack.submit(sizes=[256], steps=28), stack.submit(sizes=[1024])
    stack.wait_until(lambda: stack.get(first["id"])["status"] == "running")
    # Too little for the second job, which needs 14 MB, and for another one.
    client.config_set("maxmemory", client.info("memory")["used_memory"] + 4 * 2**20)
    assert stack.end_of(first["id"])["status"] == "succeeded"
    stack.wait_until(lambda: worker(stack)["waits_for_room"])
    assert (worker(stack)["ready"], stack.get(second["id"])["status"]) == (True, "queued")
    assert refusal(stack) == (429, "no_room")
    assert stack.http.get("/health/ready").status_code == 200
    assert 'logo_worker_waits_for_room{device="cpu"' in stack.http.get("/metrics").text
    client.config_set("maxmemory", ROOM)
    ends(stack, [second], time.monotonic(), capsys)
    assert len(stack.events(event="worker.waits_for_room")) == waited_before + 1
