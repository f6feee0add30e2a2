"""The whole stack with Redis at its maxmemory: nothing is drawn twice, and it goes on as soon as there is room."""

import os
import threading
import time
from datetime import datetime

import httpx
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


class Submitter(threading.Thread):
    """Submits small jobs for as long as it is let, and notes those that were accepted and how others were refused."""

    def __init__(self, url, over):
        super().__init__(daemon=True)
        self.url, self.over = url, over
        self.accepted, self.refusals = [], set()

    def run(self):
        with httpx.Client(base_url=self.url, timeout=10) as http:
            while not self.over.is_set():
                answer = http.post("/api/jobs", json={"prompt": "a red fox", "sizes": [256], "steps": 4})
                if answer.is_success:
                    self.accepted.append(answer.json()["id"])
                else:
                    self.refusals.add((answer.status_code, answer.json()["error"]["code"]))
                self.over.wait(0.2 if answer.is_success else 2)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_twenty_minutes_at_the_limit_under_load(new_stack, capsys):
    """`make full SECONDS=1200`: nothing is drawn twice, no attempt is lost, and the first result comes within 10 s."""
    seconds = float(os.environ.get("FULL_SECONDS", "1200"))
    stack, over = new_stack(GENERATE_WORKERS="2", MAX_QUEUE_LENGTH="100"), threading.Event()
    submitters = [Submitter(stack.url, over) for _ in range(4)]
    for submitter in submitters:
        submitter.start()
    stack.wait_until(lambda: len(stack.events(event="job.succeeded")) >= 5)
    with redis.Redis.from_url(stack.redis_url) as client:
        client.config_set("maxmemory", 1)
        full_at = time.time()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            assert stack.http.get("/health/live").is_success
            assert stack.http.get("/health/ready").is_success
            shown = stack.http.get("/metrics").text
            assert 'logo_worker_waits_for_room{device="cpu"' in shown
            assert "logo_redis_memory_max_bytes 1.0" in shown
            over.wait(5)
        drawn_before = {event["job_id"] for event in stack.events(event="job.denoised")}
        client.config_set("maxmemory", ROOM)
        room_at = time.time()
    over.set()
    for submitter in submitters:
        submitter.join()
    jobs = [stack.end_of(job_id, 600) for submitter in submitters for job_id in submitter.accepted]
    succeeded = stack.events(event="job.succeeded")
    first = min(at for event in succeeded if (at := timestamp(event)) > room_at)
    before = {event["job_id"] for event in succeeded if timestamp(event) < room_at}
    waited = drawn_before - before
    with capsys.disabled():
        print(
            f"\n{len(jobs)} jobs accepted; full for {room_at - full_at:.0f} s; {len(waited)} finished drawings waited;"
            f" first success {first - room_at:.1f} s after there was room; refused with {submitters[0].refusals}"
        )
    assert {(job["status"], job["attempt"]) for job in jobs} == {("succeeded", 1)}
    denoised = [event["job_id"] for event in stack.events(event="job.denoised")]
    assert len(denoised) == len(set(denoised))
    assert stack.events(event="job.requeued") == []
    assert first - room_at <= 10
    assert all(submitter.refusals <= {(503, "service_unavailable"), (429, "queue_full")} for submitter in submitters)


def timestamp(event):
    return datetime.fromisoformat(event["timestamp"]).timestamp()
