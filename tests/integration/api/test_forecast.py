"""Estimates: what a drawing teaches, how the queue is spread over workers, what the API answers."""

import dataclasses

import pytest

from api.forecast import Forecast, retry_after
from shared import workers
from shared.jobs import Job, JobStatus
from shared.ledger import keys, measuring, moves, reads
from shared.ledger.outlook import Outlook, Queued, Running, outlook
from shared.ledger.replies import Reading
from shared.pace import Pace, Shape
from shared.workers import WorkerInfo

BODY = {"prompt": "a red fox", "sizes": [64]}
# Known sizes are 256 and 512: 10 steps take 1 + 10 * 0.1 = 2 s at 256, 1 + 10 * 0.4 = 5 s at 512, and 0.5 s to finish.
KNOWN = {
    "256x1:step": 0.1,
    "256x1:fixed": 1,
    "256x1:finish": 0.5,
    "256:asked": 256,
    "512x1:step": 0.4,
    "512x1:fixed": 1,
    "512x1:finish": 0.5,
    "512:asked": 1024,
    "steps": 10,
}


def job(status=JobStatus.QUEUED, size=256, **fields):
    return Job(id="job", status=status, prompt="fox", sizes=(64, size), seed=1, **fields)


def eta(job, *, position=None, queued=(), running=(), workers=1, known=KNOWN, now=100_000):
    queue = [Queued(Shape(size, 0), "") for size in queued]
    return Forecast(Outlook(now, list(running), queue), workers, Pace(known)).eta_seconds(Reading(job, position))


@pytest.mark.parametrize(
    ("workers", "queued", "position", "seconds"),
    [
        (1, [256], 1, 2.5),
        (1, [256, 256, 256], 3, 6.5),
        (1, [512, 256], 2, 7.5),
        (2, [512, 256, 256, 256], 4, 6.5),  # the second worker takes all the small ones
        (2, [256] * 5, 5, 6.5),
        (1, [], 1, 2.5),  # a job that came after the queue was read
        (1, [256], 3, 6.5),  # two such jobs
    ],
)
def test_the_queue_is_given_out_to_the_workers(workers, queued, position, seconds):
    assert eta(job(), position=position, queued=queued, workers=workers) == pytest.approx(seconds, abs=0.11)


@pytest.mark.parametrize(
    ("case", "options"),
    [
        ("no worker", {"workers": 0}),
        ("a size that was never drawn", {"size": 2048}),
        ("nothing measured", {"known": {}}),
        ("a default of steps that was never seen", {"known": {n: v for n, v in KNOWN.items() if n != "steps"}}),
    ],
)
def test_what_is_not_known_is_null(case, options):
    size = options.pop("size", 256)
    assert eta(job(size=size), position=1, **options) is None, case


def test_a_size_is_looked_up_at_the_width_that_it_is_drawn_at():
    known = Pace(KNOWN)
    seconds = [known.step_seconds(Shape(size, 0)) for size in (64, 256, 257, 512, 1024, 1025)]
    assert seconds == [0.1, 0.1, 0.4, 0.4, 0.4, None]


FOUR_KNOWN = {"256x4:step": 0.05, "256x4:fixed": 2, "256x4:finish": 1.6}


@pytest.mark.parametrize(
    ("num_images", "known", "seconds"),
    [
        (1, KNOWN, 2.5),
        (3, KNOWN, 7.5),  # as three of one image
        (4, KNOWN | FOUR_KNOWN, 5.6),
        (1, KNOWN | FOUR_KNOWN, 2.5),
        (2, KNOWN | FOUR_KNOWN, 5.0),
        (2, FOUR_KNOWN | {"256:asked": 256, "steps": 10}, 2.8),  # half of the known time
    ],
)
def test_a_number_of_images_has_its_own_pace(num_images, known, seconds):
    assert eta(job(num_images=num_images), position=1, known=known) == pytest.approx(seconds, abs=0.11)
    running = job(JobStatus.RUNNING, num_images=num_images, steps=10 * num_images, started_at=100_000)
    assert eta(running, known=known) == pytest.approx(seconds, abs=0.11)


def test_those_ahead_count_with_their_images():
    queue = [Queued(Shape(256, 0, 4), ""), Queued(Shape(256, 0), "")]
    outlook = Outlook(100_000, [Running(Shape(256, 0, 2), 10, 20, 98_000)], queue)
    seen = Forecast(outlook, 1, Pace(KNOWN)).eta_seconds(Reading(job(), 2))
    assert seen == pytest.approx(2 + 8 + 2.5, abs=0.11)


def test_a_running_job_counts_by_clock_and_steps():
    running = job(JobStatus.RUNNING, step=2, steps=10, started_at=99_000)
    assert eta(running) == pytest.approx(1.5, abs=0.11)  # 2 s less 1 s that has passed, plus the finish
    late = job(JobStatus.RUNNING, step=5, steps=10, started_at=80_000)
    assert eta(late) == pytest.approx(1.0, abs=0.11)  # five steps are left in any case
    assert eta(job(JobStatus.FINISHING, drawn_at=99_800)) == pytest.approx(0.3, abs=0.11)
    assert eta(job(JobStatus.SUCCEEDED)) is None


def test_a_queued_job_waits_for_the_running_one():
    running = [Running(Shape(512, 0), 0, 10, 99_000)]
    assert eta(job(), position=1, queued=[256], running=running) == pytest.approx(6.5, abs=0.11)


def test_what_is_behind_the_look_counts_as_the_mean(monkeypatch):
    assert eta(job(), position=101, queued=[256]) == pytest.approx(202.5, abs=0.3)


@pytest.mark.parametrize(("seconds", "value"), [(None, 10), (0.0, 1), (2.1, 3), (500, 60)])
def test_retry_after_is_bounded(seconds, value):
    assert retry_after(seconds) == value


def test_measurements_are_folded_in(ledger, client):
    done = job(JobStatus.FINISHING, width=256, model="m", steps=10, started_at=1000, drawn_at=3000, size=200)
    ledger.run(measuring.learn_drawing(dataclasses.replace(done, steps=1), 1.5))
    ledger.run(measuring.learn_drawing(dataclasses.replace(done, steps=1), 9))
    assert float(client.hget(keys.pace("m"), "256x1:step")) == 1.5
    client.delete(keys.pace("m"))
    ledger.run(measuring.learn_drawing(done, 0.1))
    ledger.run(measuring.learn_drawing(dataclasses.replace(done, requested_steps=50, steps=50, sizes=(100,)), 0.2))
    found = {name.decode(): float(value) for name, value in client.hgetall(keys.pace("m")).items()}
    assert found == pytest.approx({"256x1:step": 0.12, "256x1:fixed": 0.8, "256:asked": 200, "steps": 10})


def test_several_images_teach_nothing_of_one(ledger, client):
    done = job(JobStatus.FINISHING, width=256, model="m", steps=10, started_at=1000, drawn_at=3000, finished_at=3500)
    four = dataclasses.replace(done, num_images=4, steps=40, drawn_at=11_000, finished_at=13_000)
    for measured, step_seconds in ((done, 0.1), (four, 0.2)):
        ledger.run(measuring.learn_drawing(measured, step_seconds))
        ledger.run(measuring.learn_finishing(measured))
    found = {name.decode(): float(value) for name, value in client.hgetall(keys.pace("m")).items()}
    one = {"256x1:step": 0.1, "256x1:fixed": 1, "256x1:finish": 0.5}
    assert found == pytest.approx(
        one | {"256x4:step": 0.2, "256x4:fixed": 2, "256x4:finish": 2, "256:asked": 256, "steps": 10}
    )


@pytest.fixture
def measured(client):
    """A ready worker, and the times that are known of its model."""
    workers.publish(client, WorkerInfo("w", ready=True, model="m", device_type="cpu", device_name="cpu"))
    client.hset(keys.pace("m"), mapping=KNOWN)


async def test_the_api_tells(serve, measured, ledger):
    async with serve() as http:
        jobs = [(await http.post("/api/jobs", json=BODY | {"priority": name})).json() for name in ("low", "high")]
        assert jobs[0]["eta_seconds"] == pytest.approx(2.5, abs=0.2)
        http._transport.app.state.services.forecasts._looked_at = 0
        listed = (await http.get("/api/jobs")).json()["jobs"]
        assert [job["eta_seconds"] for job in listed] == pytest.approx([2.5, 4.5], abs=0.2)
        ledger.run(moves.claim(jobs[1]["id"], worker="w", delivery="d"))
        running = (await http.get(f"/api/jobs/{jobs[1]['id']}")).json()
        assert 1.5 < running["eta_seconds"] <= 2.5


async def test_a_full_queue_says_when_to_come_again(serve, measured, ledger):
    async with serve(max_queue_length=2, api_keys=("a", "b"), max_queued_per_key=1) as http:
        for key in ("a", "b", "a"):
            answer = await http.post("/api/jobs", json=BODY | {"sizes": [512]}, headers={"X-API-Key": key})
            assert answer.status_code == (429 if key == "a" and ledger.run(reads.backlog()).depth == 2 else 202)
        assert answer.headers["Retry-After"] == "1"
        first = ledger.run(reads.queued())[0]
        ledger.run(moves.claim(first, worker="w", delivery="d"))
        http._transport.app.state.services.forecasts._looked_at = 0
        answer = await http.post("/api/jobs", json=BODY, headers={"X-API-Key": "b"})
        assert (answer.json()["error"]["code"], answer.headers["Retry-After"]) == ("too_many_queued", "5")


def test_the_look_reads_what_is_queued_and_running(ledger, client):
    for name in ("a", "b"):
        made = dataclasses.replace(job(), id=name, owner="o", requested_steps=3, num_images=2)
        ledger.run(moves.create(made, max_queue=9))
    ledger.run(moves.claim("a", worker="w", delivery="d"))
    ledger.run(moves.renew("a", 1, step=1, steps=6))
    seen = ledger.run(outlook())
    assert seen.queued == [Queued(Shape(256, 3, 2), "o")]
    (running,) = seen.running
    assert (running.shape, running.step, running.steps) == (Shape(256, 3, 2), 1, 6)
    assert 0 <= seen.time - running.started_at < 10_000
    client.hdel(keys.job("b"), "num_images")  # an older version writes no such field
    assert ledger.run(outlook()).queued == [Queued(Shape(256, 3, 1), "o")]
