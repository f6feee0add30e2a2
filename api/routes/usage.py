"""What the caller's key has used, by day, and what is left of its quota."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from api import quota
from api.auth import Owner  # noqa: TC001 - FastAPI reads the annotations
from api.deps import Deps  # noqa: TC001 - FastAPI reads the annotations
from api.openapi import USAGE
from api.openapi_errors import errors_of
from api.quota import QuotaView  # noqa: TC001 - pydantic reads it when the class is built
from shared.errors import InvalidRequest
from shared.ledger.usage import KEPT_DAYS, Use, usage

router = APIRouter(prefix="/api", tags=["jobs"])


def _iso(value: object) -> object:
    """Without it pydantic takes a number for a time."""
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
        raise ValueError("must be a date such as 2026-11-30")
    return value


Day = Annotated[date, BeforeValidator(_iso)]


class Period(BaseModel):
    # What else is asked, such as another key's use, is not to be had here: it is refused and not ignored.
    model_config = ConfigDict(extra="forbid")

    from_: Day | None = Field(None, alias="from", description="The first day (UTC); without it, that of this month.")
    to: Day | None = Field(None, description="The last day, which is included; without it, today.")


class JobsView(BaseModel):
    succeeded: int
    failed: int
    canceled: int
    expired: int


class UseView(BaseModel):
    jobs: JobsView
    images: int = Field(description="Drawings: each variation is one, whatever its sizes.")
    pixels: int = Field(description="Of all sizes and files.")
    denoise_seconds: float


class DayView(UseView):
    date: date


class UsageView(BaseModel):
    first: date = Field(serialization_alias="from")
    to: date
    days: list[DayView] = Field(description="Those on which a job has ended, in order.")
    total: UseView
    quota: QuotaView | None = Field(description="Of this month, whatever was asked for; null without one.")


@router.get("/usage", operation_id="get_usage", responses=USAGE | errors_of(401, 422, "too_many_requests", 503))
async def get_usage(asked: Annotated[Period, Query()], response: Response, services: Deps, owner: Owner) -> UsageView:
    """What the caller's key has used. A job counts on the day on which it has ended, and stays when it is forgotten."""
    last = asked.to or datetime.now(UTC).date()
    first = asked.from_ or last.replace(day=1)
    if first > last:
        raise InvalidRequest(f"from: {first} is after to, {last}")
    if (last - first).days >= KEPT_DAYS:
        raise InvalidRequest(f"from, to: at most {KEPT_DAYS} days, which is how long use is kept")
    tenant = services.tenants.of(owner)
    found = await services.ledger.run(usage(owner, first, last, **quota.asked_of(tenant)))
    quota.tell(response, quota.remaining(tenant, found.quota_left))
    return UsageView(
        first=first,
        to=last,
        days=[DayView(date=day, **_of(use)) for day, use in found.days.items()],
        total=UseView(**_of(found.total)),
        quota=quota.view(tenant, found.quota_left, found.renewed_at),
    )


def _of(use: Use) -> dict[str, object]:
    jobs = JobsView(succeeded=use.succeeded, failed=use.failed, canceled=use.canceled, expired=use.expired)
    return {"jobs": jobs, "images": use.images, "pixels": use.pixels, "denoise_seconds": use.denoise_ms / 1000}
