"""Real processes, real signals: a job that was answered with 202 ends, whatever dies."""

import signal
import threading
import time

import pytest
import redis


@pytest.fixture
def stack(whole):
    return whole


def seconds_of(process):
    """Of a core."""
    return sum(process.cpu_times()[:2])


def running(stack, job):
    return lambda: stack.get(job["id"])["status"] == "running"


def test_the_api_dies_while_a_client_waits(stack):
    job = stack.submit(sizes=[256], steps=28)
    ends = []
    waiter = threading.Thread(target=lambda: ends.append(stack.end_of(job["id"])))
    waiter.start()
    stack.wait_until(running(stack, job))
    (api,) = stack.processes("api.main")
    api.kill()
    waiter.join(90)
    assert ends[0]["status"] == "succeeded"
    assert ends[0]["attempt"] == 1


def test_a_message_is_kept_until_its_job_is_drawn(stack):
    job = stack.submit(sizes=[512], steps=50)
    stack.wait_until(running(stack, job))
    with redis.Redis.from_url(stack.redis_url) as client:
        stack.wait_until(lambda: stack.get(job["id"])["progress"]["step"] >= 2)
        kept = client.hlen("unacked")
    assert stack.http.delete(f"/api/jobs/{job['id']}").json()["cancel_requested"]
    assert kept == 1
    assert stack.end_of(job["id"])["status"] == "canceled"


def test_redis_is_restarted_in_mid_job(stack):
    job = stack.submit(sizes=[512], steps=20)
    stack.wait_until(running(stack, job))
    (valkey,) = stack.processes("valkey-server")
    valkey.kill()
    done = stack.end_of(job["id"])
    assert done["status"] == "succeeded"
    assert stack.end_of(stack.submit(steps=1)["id"])["status"] == "succeeded"


@pytest.mark.slow
def test_sigterm_in_mid_job_loses_nothing(stack):
    """A deploy: the worker ends its job within the grace period, or the job is drawn again."""
    job = stack.submit(sizes=[256], steps=20)
    stack.wait_until(running(stack, job))
    parent, _ = stack.generate_processes()
    parent.send_signal(signal.SIGTERM)
    done = stack.end_of(job["id"])
    assert done["status"] == "succeeded"
    assert stack.end_of(stack.submit(steps=1)["id"])["status"] == "succeeded"


def test_two_sigterms_in_mid_job_lose_nothing(stack):
    job = stack.submit(sizes=[512], steps=30)
    parent, _ = stack.generate_processes()
    for step in (2, 4):
        stack.wait_until(lambda n=step: (stack.get(job["id"])["progress"] or {}).get("step", 0) >= n)
        parent.send_signal(signal.SIGTERM)
        # It draws on, but does not count as ready.
        stack.wait_until(lambda: not stack.ready())
        assert stack.get(job["id"], include="none")["status"] == "running"
    done = stack.end_of(job["id"])
    assert done["status"] == "succeeded"
    assert done["attempt"] <= 2
    assert stack.end_of(stack.submit(steps=1)["id"])["status"] == "succeeded"


def test_a_killed_child_costs_an_attempt_and_no_job(stack):
    job = stack.submit(sizes=[256], steps=40)
    stack.wait_until(running(stack, job))
    parent, held = stack.generate_processes()
    start = time.monotonic()
    held.kill()
    done = stack.end_of(job["id"])
    assert (done["status"], done["attempt"]) == ("succeeded", 2)
    assert parent.is_running()
    requeued = stack.events(event="job.requeued", job_id=job["id"])
    assert [event["reason"] for event in requeued] == ["WorkerLostError"]
    assert time.monotonic() - start < 60


def test_a_job_that_kills_its_worker_each_time_is_given_up(stack):
    job = stack.submit(sizes=[256], steps=50, num_images=4)  # never drawn to its end
    for attempt in (1, 2, 3):
        stack.wait_until(lambda n=attempt: stack.get(job["id"])["attempt"] == n and running(stack, job)())
        stack.generate_processes()[1].kill()
    done = stack.end_of(job["id"])
    assert (done["status"], done["error"]["code"], done["attempt"]) == ("failed", "poison", 3)
    assert stack.end_of(stack.submit(steps=1)["id"])["status"] == "succeeded"


def test_a_killed_worker_is_replaced_and_its_job_drawn_again(stack):
    job = stack.submit(sizes=[256], steps=40)
    stack.wait_until(running(stack, job))
    parent, held = stack.generate_processes()
    parent.kill()
    done = stack.end_of(job["id"])
    assert (done["status"], done["attempt"]) == ("succeeded", 2)
    held.wait(10)


def test_a_finisher_killed_in_mid_trace_finishes_again(stack):
    outputs = {"formats": ["png", "webp", "avif", "svg"], "transparent": True, "icons": True}
    job = stack.submit(prompt="a blue star in a circle", sizes=[512, 1024], num_images=2, steps=8, **outputs)
    stack.wait_until(lambda: stack.get(job["id"], include="none")["status"] == "finishing")
    before = {child: seconds_of(child) for child in stack.processes("worker.finish.main")[1:]}
    stack.wait_until(lambda: any(seconds_of(child) > since + 0.3 for child, since in before.items()))
    for child in before:
        child.kill()
    done = stack.end_of(job["id"])
    assert (done["status"], done["attempt"]) == ("succeeded", 1)
    again = stack.events(event="job.finish_published_again", job_id=job["id"])
    assert [event["tries"] for event in again] == [1]
    assert {"logo.svg", "logo-2.svg", "icons.zip", "512.avif"} <= {file["name"] for file in done["files"]}
    for file in done["files"]:
        assert len(stack.http.get(file["url"]).content) == file["bytes"]


@pytest.mark.slow  # the nemesis does it in each run of CI
def test_everything_is_killed_in_turn_while_twenty_wait(stack):
    jobs = [stack.submit(seed=seed, steps=4, sizes=[64, 256]) for seed in range(20)]
    succeeded = lambda: sum(stack.get(job["id"], include="none")["status"] == "succeeded" for job in jobs)  # noqa: E731
    victims = [
        lambda: stack.generate_processes()[1],
        lambda: stack.processes("worker.finish.main")[-1],
        lambda: stack.processes("worker.finish.main")[0],
        lambda: stack.processes("api.main")[0],
        lambda: stack.processes("valkey-server")[0],
    ]
    for count, victim in enumerate(victims, start=1):
        stack.wait_until(lambda n=count: succeeded() >= n, seconds=60)
        victim().kill()
    done = [stack.end_of(job["id"]) for job in jobs]
    assert {job["status"] for job in done} == {"succeeded"}
    assert all(job["attempt"] <= 3 for job in done)
    assert [set(job["images"]) for job in done] == [{"64", "256"}] * 20
    assert len({job["images"]["64"] for job in done}) == 20
    assert [len(stack.events(event="job.succeeded", job_id=job["id"])) for job in jobs] == [1] * 20


def test_ctrl_c_ends_everything_within_ten_seconds(stack):
    """Ctrl-C comes while a job is drawn and its stream is read; the job is drawn after the next start."""
    job = stack.submit(sizes=[256], steps=50)
    stack.wait_until(running(stack, job))
    with stack.http.stream("GET", job["urls"]["events"]) as response:
        assert next(response.iter_lines()) == "event: snapshot"
        seconds, left = stack.stop()
    assert seconds < 10
    assert left == []
    stack.start()
    assert stack.end_of(job["id"])["status"] == "succeeded"


def test_a_loading_worker_takes_no_job_that_an_idle_one_could_draw(stack, new_stack):
    """A second worker on the same Redis loads for long: every job goes to the first worker, at once."""
    redis_url = stack.redis_url
    slow = new_stack(REDIS_URL=redis_url, WARMUP_SIZE="512", WARMUP_STEPS="50")
    slow.wait_until(lambda: len(slow.workers()) == 2)
    for _ in range(5):
        job = stack.submit(steps=1)
        done = stack.end_of(job["id"])
        assert done["timings"]["queued"] < 5
    claimed = slow.events(event="job.claimed")
    ready = slow.events(event="worker.ready")
    assert all(event["timestamp"] > ready[0]["timestamp"] for event in claimed)
