"""The monthly quota of a key: what the ledger is asked to keep to, and what callers are told of it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

from shared.errors import QuotaExceeded

if TYPE_CHECKING:
    from fastapi import Response

    from shared.tenants import Tenant

HEADER = "X-Quota-Remaining"


class QuotaView(BaseModel):
    unit: Literal["images", "gpu_seconds"]
    limit: int = Field(description="Of a calendar month, UTC.")
    remaining: int = Field(description="Without what queued and running jobs will take.")
    renewed_at: datetime


def asked_of(tenant: Tenant | None) -> dict[str, int | None]:
    """The quota for the ledger's commands."""
    seconds = tenant.quota_gpu_seconds if tenant else None
    return {
        "quota_images": tenant.quota_images if tenant else None,
        "quota_ms": None if seconds is None else round(seconds * 1000),
    }


def remaining(tenant: Tenant | None, left: int | None) -> int | None:
    """What is left, in the quota's unit; None without a quota. `left`: as the ledger tells it, images or ms."""
    if tenant is None or left is None:
        return None
    return max(0, left if tenant.quota_images is not None else left // 1000)


def view(tenant: Tenant | None, left: int | None, renewed_at: datetime) -> QuotaView | None:
    rest = remaining(tenant, left)
    if tenant is None or rest is None:
        return None
    by_images = tenant.quota_images is not None
    return QuotaView(
        unit="images" if by_images else "gpu_seconds",
        limit=int((tenant.quota_images if by_images else tenant.quota_gpu_seconds) or 0),
        remaining=rest,
        renewed_at=renewed_at,
    )


def tell(response: Response, left: int | None) -> None:
    if left is not None:
        response.headers[HEADER] = str(left)


def exceeded(tenant: Tenant, left: int, again_seconds: float) -> QuotaExceeded:
    # The month begins at a full second; the clocks of this process and of Redis may differ by less than that.
    renewed_at = (datetime.now(UTC) + timedelta(seconds=again_seconds + 0.5)).replace(microsecond=0)
    seen = view(tenant, left, renewed_at)
    assert seen is not None  # noqa: S101 - a quota was exceeded
    unit = "images" if seen.unit == "images" else "seconds of GPU time"
    details: dict[str, Any] = seen.model_dump(mode="json")
    return QuotaExceeded(
        f"this key's quota is {seen.limit} {unit} a month, {seen.remaining} are left; "
        f"it is renewed at {renewed_at:%Y-%m-%dT%H:%M:%SZ}",
        details=details,
        retry_after_seconds=max(1, math.ceil(again_seconds)),
        headers={HEADER: str(seen.remaining)},
    )
