"""Usage: each job that has ended counts once, on its day; quotas count what has not ended too."""

import calendar
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from shared.jobs import Job, JobStatus
from shared.ledger import keys, moves, reads, room
from shared.ledger.usage import Use, of_job, usage

S = JobStatus
TTL = 60
TODAY = datetime.now(UTC).date()


@pytest.fixture
def create(ledger):
    def _create(job_id, *, images=1, owner="o", **options):
        job = Job(id=job_id, status=S.QUEUED, prompt="fox", sizes=(64, 128), seed=1, owner=owner, num_images=images)
        return ledger.run(moves.create(job, max_queue=99, **options))

    return _create


@pytest.fixture
def run(ledger, client):
    """Takes a queued job through its drawing, of `seconds`, to its end."""

    def _run(job_id, end="succeed", seconds=3):
        job = ledger.run(moves.claim(job_id, worker="w", delivery=f"{job_id}-{seconds}")).job
        client.hset(keys.job(job_id), "started_at", job.started_at - seconds * 1000)
        if end in ("succeed", "finish"):
            ledger.run(moves.finish(job_id, job.attempt, width=128, height=128, model="m"))
        command = {
            "succeed": lambda: moves.succeed(
                job_id, job.attempt, images_ttl_seconds=TTL, ttl_seconds=TTL, pixels=room.image_pixels(job)
            ),
            "fail": lambda: moves.fail(job_id, code="c", message="m", ttl_seconds=TTL, attempt=job.attempt),
            "cancel": lambda: moves.cancel(job_id, ttl_seconds=TTL, attempt=job.attempt),
            "expire": lambda: moves.expire(job_id, ttl_seconds=TTL, attempt=job.attempt),
            "requeue": lambda: moves.requeue(job_id, job.attempt),
            "finish": lambda: moves.refinish(job_id, job.attempt, 1),
        }[end]
        for _ in range(2):  # the reply to the first was lost
            assert ledger.run(command()).outcome.holds

    return _run


@pytest.fixture
def used(ledger):
    """The owner's use from yesterday to tomorrow."""

    def _used(owner="o", **quota):
        return ledger.run(usage(owner, TODAY - timedelta(1), TODAY + timedelta(1), **quota))

    return _used


def test_each_end_counts_once(create, run, used, ledger):
    for name, images, end in (("a", 2, "succeed"), ("b", 1, "fail"), ("c", 1, "cancel"), ("d", 4, "expire")):
        create(name, images=images)
        run(name, end)
    create("e")
    ledger.run(moves.request_cancel("e", ttl_seconds=TTL))
    create("f", owner="other")
    seen = used().total
    pixels = 2 * (64**2 + 128**2)
    assert (seen.succeeded, seen.failed, seen.canceled, seen.expired, seen.jobs) == (1, 1, 2, 1, 5)
    assert (seen.images, seen.pixels) == (2, pixels)
    assert seen.denoise_ms == pytest.approx(12_000, abs=3000)
    jobs = [ledger.run(reads.job(name)).job for name in "abcde"]
    assert sum((of_job(job, room.image_pixels(job)) for job in jobs), Use()) == seen
    assert used("other").total == Use()


def test_a_drawing_that_was_lost_is_not_paid_for(create, run, used):
    create("a")
    run("a", "requeue", 50)
    run("a", "finish", 40)
    run_again = used().total
    assert run_again == Use()  # it has not ended
    create("b")
    run("b", "requeue", 50)
    run("b", "succeed", 3)
    assert used().total.denoise_ms == pytest.approx(3000, abs=2000)


def test_what_is_forgotten_still_counts(create, run, used, ledger):
    create("a")
    ledger.run(moves.claim("a", worker="w", delivery="d"))
    assert ledger.run(moves.request_cancel("a", ttl_seconds=TTL, forget=True)).outcome == "flagged"
    ledger.run(moves.cancel("a", ttl_seconds=TTL, attempt=1))
    assert ledger.run(reads.job("a")) is None
    assert used().total.canceled == 1


def test_a_quota_of_images_counts_what_has_not_ended(create, run, used, ledger):
    quota = {"quota_images": 5}
    assert create("a", images=2, **quota).quota_left == 3
    assert create("b", images=3, **quota).quota_left == 0
    refused = create("c", **quota)
    assert (refused.outcome, refused.quota_left) == ("owner_quota", 0)
    run("a", "succeed")
    assert create("c", **quota).outcome == "owner_quota"
    run("b", "fail")  # draws nothing
    assert used(**quota).quota_left == 3
    assert create("d", images=4, **quota).outcome == "owner_quota"
    assert create("d", images=3, **quota).quota_left == 0
    ledger.run(moves.request_cancel("d", ttl_seconds=TTL))
    assert used(**quota).quota_left == 3
    # A repeat is no new job.
    assert create("a", images=2, **quota).outcome == "created"
    assert create("e", owner="other", **quota).quota_left == 4


def test_a_quota_of_gpu_seconds_expects_what_drawings_took(create, run, used):
    quota = {"quota_ms": 10_000}
    create("a", **quota)
    run("a", "succeed", 4)
    assert used(**quota).quota_left == pytest.approx(6000, abs=1500)
    assert create("b", **quota).quota_left == pytest.approx(2000, abs=3000)
    run("b", "succeed", 7)
    refused = create("c", **quota)
    assert (refused.outcome, refused.quota_left <= 0) == ("owner_quota", True)


def test_a_quota_is_renewed_as_the_next_month_begins(create, used):
    before = datetime.now(UTC)
    refused = create("a", quota_images=0)
    renewed = before + timedelta(seconds=refused.again_seconds)
    last = calendar.monthrange(before.year, before.month)[1]
    begins = datetime(before.year, before.month, last, tzinfo=UTC) + timedelta(1)
    assert abs((renewed - begins).total_seconds()) < 30
    assert used(quota_images=0).renewed_at == begins


DAYS = [date(1970, 1, 1) + timedelta(days) for days in (0, 58, 59, 789, 790, 11_016, 20_512, 20_513, 21_974, 47_540)]


@pytest.mark.parametrize("day", [*DAYS, date(2028, 2, 29), date(2100, 2, 28), date(2026, 12, 31)], ids=str)
def test_the_dates_of_the_script_are_those_of_the_calendar(client, day):
    text = (Path(keys.__file__).parent / "lua" / "usage.part.lua").read_text()
    text += "return {month_of(tonumber(ARGV[1])), ({date_of(tonumber(ARGV[1]))})[3],"
    ms = round(datetime(day.year, day.month, day.day, 13, tzinfo=UTC).timestamp() * 1000)
    month, of_month, left = client.eval(text + " until_renewed(tonumber(ARGV[1]))}", 0, ms)
    assert (month.decode(), of_month) == (f"{day:%Y-%m}", day.day)
    days = calendar.monthrange(day.year, day.month)[1] - day.day
    assert left == (days * 24 + 11) * 3_600_000


def test_it_is_kept_for_thirteen_months(create, ledger, client):
    create("a")
    ledger.run(moves.request_cancel("a", ttl_seconds=TTL))
    assert client.ttl(keys.usage("o", f"{TODAY:%Y-%m}")) > 13 * 30.5 * 86400


def test_what_an_older_version_created_does_not_go_below_nothing(create, ledger, client):
    create("a")
    client.hdel(keys.job("a"), "pending")
    client.delete(keys.PENDING)
    ledger.run(moves.request_cancel("a", ttl_seconds=TTL))
    assert client.hgetall(keys.PENDING) == {}


def test_the_months_between_are_found(ledger, client):
    client.hset(keys.usage("o", "2026-01"), mapping={"31:images": 2, "30:images": 1, "month:images": 3, "31:later": 9})
    client.hset(keys.usage("o", "2026-03"), mapping={"01:images": 4, "02:images": 8})
    found = ledger.run(usage("o", date(2026, 1, 31), date(2026, 3, 1)))
    assert {day: use.images for day, use in found.days.items()} == {date(2026, 1, 31): 2, date(2026, 3, 1): 4}
    assert found.total.images == 6
