"""What each owner has used, by day: the ledger's terminal moves count it, each job once (lua/usage.part.lua).

Images are those that were drawn, variations apart and sizes together; pixels those of all sizes and files, as in
/metrics. Seconds of denoising are those of the last attempt, unless its worker was lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.jobs import JobStatus, is_terminal
from shared.ledger import keys
from shared.ledger.run import Command

if TYPE_CHECKING:
    from collections.abc import Iterable

    import redis.asyncio

    from shared.jobs import Job

KEPT_DAYS = 400  # thirteen months and more


@dataclass(frozen=True, slots=True)
class Use:
    succeeded: int = 0  # jobs, by how they ended
    failed: int = 0
    canceled: int = 0
    expired: int = 0
    images: int = 0
    pixels: int = 0
    denoise_ms: int = 0

    def __add__(self, other: Use) -> Use:
        return Use(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    @property
    def jobs(self) -> int:
        return self.succeeded + self.failed + self.canceled + self.expired


assert {one.name for one in fields(Use)} >= {status for status in JobStatus if is_terminal(status)}  # noqa: S101


def of_job(job: Job, pixels: int) -> Use:
    """What a job that has ended is counted as. `pixels`: of its images, if it has succeeded."""
    drawn = job.status is JobStatus.SUCCEEDED
    return Use(
        **{job.status: 1},
        images=job.num_images if drawn else 0,
        pixels=pixels if drawn else 0,
        denoise_ms=job.denoise_ms,
    )


@dataclass(frozen=True, slots=True)
class Usage:
    days: dict[date, Use] = field(default_factory=dict)  # only those on which a job has ended
    quota_left: int | None = None  # of this month: images, or ms of denoising; None without a quota
    renewed_at: datetime = datetime(1, 1, 1, tzinfo=UTC)

    @property
    def total(self) -> Use:
        return sum(self.days.values(), Use())


def usage(
    owner: str, first: date, last: date, *, quota_images: int | None = None, quota_ms: int | None = None
) -> Command[Usage]:
    """What the owner has used from `first` to `last`, both included."""
    months = sorted({f"{day:%Y-%m}" for day in _days(first, last)})

    def parse(reply: list[Any]) -> Usage:
        now_ms, left, renewed_ms, *found = reply
        days = {
            day: use
            for month, flat in zip(months, found, strict=True)
            for day, use in _by_day(month, flat).items()
            if first <= day <= last
        }
        renewed = datetime.fromtimestamp(round((now_ms + renewed_ms) / 1000), UTC)
        return Usage(dict(sorted(days.items())), int(left) if left else None, renewed)

    return Command(
        "usage",
        (keys.USAGE, keys.PENDING, keys.SHARES, *(keys.usage(owner, month) for month in months)),
        (owner, *("" if quota is None else quota for quota in (quota_images, quota_ms))),
        parse,
    )


def _by_day(month: str, flat: list[bytes]) -> dict[date, Use]:
    found: dict[str, dict[str, int]] = {}
    known = {one.name for one in fields(Use)}
    for name, value in zip(flat[::2], flat[1::2], strict=True):
        day, _, counted = name.decode().partition(":")
        if day != "month" and counted in known:  # a later version may count more
            found.setdefault(day, {})[counted] = int(value)
    return {date.fromisoformat(f"{month}-{day}"): Use(**counts) for day, counts in found.items()}


def _days(first: date, last: date) -> Iterable[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


async def this_month(client: redis.asyncio.Redis) -> dict[str, Use]:
    """The sums of the present month by owner, of those that have ever used something."""
    pipeline = client.pipeline(transaction=False)
    pipeline.time()
    pipeline.zrange(keys.USERS, 0, -1)
    (seconds, _), owners = await pipeline.execute()
    month = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m}"
    for owner in owners:
        pipeline.hmget(keys.usage(owner.decode(), month), [f"month:{one.name}" for one in fields(Use)])
    found = await pipeline.execute()
    return {
        owner.decode(): Use(*(int(value or 0) for value in values)) for owner, values in zip(owners, found, strict=True)
    }
