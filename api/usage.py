"""`python -m api.usage`: what each key has used, for the operator: a table, or CSV, by day or in sum."""

from __future__ import annotations

import argparse
import csv
import sys
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, cast

from api.settings import ApiSettings
from shared.connection import UNAVAILABLE, patient_client
from shared.ledger import keys
from shared.ledger.run import Ledger
from shared.ledger.usage import KEPT_DAYS, Use, usage
from shared.settings import load, refuse
from shared.tenants import Tenants

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import redis

HEAD = ("key", "day", "succeeded", "failed", "canceled", "expired", "images", "pixels", "denoise_seconds")
Row = tuple[str, ...]


def rows(client: redis.Redis, known: Tenants, first: date, last: date, *, by_day: bool) -> Iterator[Row]:
    """A row for each key that has an entry or has used something, by name; `by_day`: and for each day with a job."""
    ledger = Ledger(client)
    used = {owner.decode() for owner in cast("list[bytes]", client.zrange(keys.USERS, 0, -1))}
    owners = used | {tenant.hash for tenant in known.all()}
    for name, owner in sorted((known.name_of(owner) or "-", owner) for owner in owners):
        found = ledger.run(usage(owner, first, last))
        if by_day:
            yield from (_row(name, str(day), use) for day, use in found.days.items())
        else:
            yield _row(name, f"{first}..{last}", found.total)


def _row(name: str, day: str, use: Use) -> Row:
    counts = (use.succeeded, use.failed, use.canceled, use.expired, use.images, use.pixels)
    return (name, day, *map(str, counts), f"{use.denoise_ms / 1000:.1f}")


def _table(lines: Sequence[Row]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [cell.rjust(width) for cell, width in zip(line, widths, strict=True)]
        cells[:2] = [cell.ljust(width) for cell, width in zip(line[:2], widths, strict=False)]
        yield "  ".join(cells)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be a date such as 2026-11-30") from None


def main(arguments: Sequence[str] | None = None) -> None:
    today = datetime.now(UTC).date()
    parser = argparse.ArgumentParser(prog="python -m api.usage", description="What each key has used; days are of UTC.")
    parser.add_argument("--from", dest="first", type=_date, help="the first day (default: of this month)")
    parser.add_argument("--to", dest="last", type=_date, default=today, help="the last day (default: today)")
    parser.add_argument("--by-day", action="store_true", help="a row for each day")
    parser.add_argument("--csv", action="store_true", help="CSV, for a spreadsheet or the bill")
    asked = parser.parse_args(arguments)
    first = asked.first or asked.last.replace(day=1)
    if first > asked.last:
        parser.error(f"--from: {first} is after --to, {asked.last}")
    if (asked.last - first).days >= KEPT_DAYS:
        parser.error(f"--from, --to: at most {KEPT_DAYS} days, which is how long use is kept")
    settings = load(ApiSettings)
    try:
        with patient_client(settings.redis_url, outage_seconds=2) as client:
            found = list(rows(client, Tenants(settings.keys_file), first, asked.last, by_day=asked.by_day))
    except UNAVAILABLE as error:
        raise SystemExit(f"Redis: {error}") from None
    except ValueError as error:
        refuse(str(error))
    if asked.csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows([HEAD, *found])
    else:
        print("\n".join(_table([HEAD, *found])))  # noqa: T201 - a command's output


if __name__ == "__main__":
    main()
