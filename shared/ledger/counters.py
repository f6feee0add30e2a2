"""The counters in Redis: a hash of integers that the ledger's moves write and /metrics reads.

The fields are ended:STATUS:CODE, recovered:REASON:TO, reduced:CODE, steps, pixels, given_up, prompts_cut, deaf,
rejoined, abandoned, prompts_refused, webhook:OUTCOME, stage:NAME:BOUND (jobs whose stage took at most BOUND ms and more
than the next lower bound) and stage:NAME:sum (ms).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.ledger import keys
from shared.ledger.run import Command, Ledger

if TYPE_CHECKING:
    import redis

STEPS = "steps"
PIXELS = "pixels"  # of finished images and files (room.py)
IMAGES_GIVEN_UP = "given_up"  # jobs whose images were dropped before their time
PROMPTS_CUT = "prompts_cut"  # drawings of which the model took only the beginning of the prompt
DEAF = "deaf"  # workers that were ended because their consumer had stalled (worker/consumer_watchdog.py)
REJOINED = "rejoined"  # held calls that joined the job of an equal call that was cut
ABANDONED = "abandoned"  # jobs that were canceled because nobody did
PROMPTS_REFUSED = "prompts_refused"  # submits that SAFETY refused
# What became of a try to deliver a webhook; the last failed one of a job is given up.
WEBHOOK_OUTCOMES = ("delivered", "failed", "given_up", "postponed")
# Codes of `reduced` that are faults; a drawing without a plain ground (background_not_uniform) is none.
OUTPUT_FAULTS = (
    *(
        f"{output}_failed"
        for output in ("transparent", "webp", "jpeg", "avif", "svg", "icons", "colors", "sheet", "signing")
    ),
    "file_too_large",
)
# For each stage: the record's field that has its start, and the upper bounds of its buckets (ms).
STAGES: dict[str, tuple[str, tuple[int, ...]]] = {
    "queued": ("created_at", (100, 300, 1000, 3000, 10_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000)),
    "denoise": (
        "started_at",
        (300, 500, 1000, 2000, 3000, 5000, 7500, 10_000, 15_000, 20_000, 30_000, 60_000, 120_000, 300_000),
    ),
    "finish": ("drawn_at", (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000)),
}


def ended(status: str, code: str = "") -> str:
    return f"ended:{status}:{code}"


def recovered(reason: str, to: str) -> str:
    return f"recovered:{reason}:{to}"


def reduced(code: str) -> str:
    """Of outputs that were asked for and not made, or not as asked, by the warning's code."""
    return f"reduced:{code}"


def webhook(outcome: str) -> str:
    return f"webhook:{outcome}"


def stage(name: str) -> dict[str, Any]:
    """The `stage` option of a move that ends this stage (lua/move.lua)."""
    since, bounds = STAGES[name]
    return {"name": name, "since": since, "bounds": bounds}


def count(client: redis.Redis, field: str) -> None:
    """Adds one to a counter of something that is not a move."""
    Ledger(client).run(Command("count", (keys.COUNTERS,), (field,), lambda _: None))


def parse(reply: dict[bytes, bytes]) -> dict[str, int]:
    return {field.decode(): int(value) for field, value in reply.items()}
