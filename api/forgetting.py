"""Forgets jobs at their owner's wish: images, prompt and record go, what stays is what they count for in the usage."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from redis.exceptions import ResponseError

from shared.connection import bulk_client, prompt_client
from shared.ledger import forgetting, keys, listing, moves
from shared.ledger.run import AsyncLedger
from shared.results import places
from shared.results.opening import open_reader

if TYPE_CHECKING:
    import redis.asyncio

    from api.settings import ApiSettings
    from shared.jobs import Job
    from shared.results.store import ResultReader

# A running job ends within two denoising steps, a rewrite of the append-only file takes seconds for each gigabyte.
WAIT_SECONDS = 120.0
PAUSE_SECONDS = 0.2


async def forget_ended(ledger: AsyncLedger, results: ResultReader, job: Job) -> None:
    for place in places.everything(job.id, job.attempt):
        await results.drop(place)
    await ledger.run(forgetting.forget(job.id))


async def forget_owner(settings: ApiSettings, owner: str) -> int:
    """Forgets all jobs of an owner and rewrites the append-only file; returns how many they were.

    :raises OSError: a job did not end, or the file was not rewritten, in time.
    """
    client, bulk = prompt_client(settings.redis_url), bulk_client(settings.redis_url)
    ledger, results = AsyncLedger(client), open_reader(client, bulk, settings)
    forgotten: set[str] = set()
    until = time.monotonic() + WAIT_SECONDS
    try:
        while readings := (await ledger.run(listing.page(owner, limit=100))).readings:
            for reading in readings:
                cancel = moves.request_cancel(reading.job.id, ttl_seconds=settings.job_ttl_seconds, forget=True)
                moved = await ledger.run(cancel)
                if moved.job and moved.job.is_terminal:
                    await forget_ended(ledger, results, moved.job)
                forgotten.add(reading.job.id)
            if time.monotonic() > until:
                raise TimeoutError(f"{len(readings)} jobs of the key have not ended")
            await asyncio.sleep(0 if len(readings) == 100 else PAUSE_SECONDS)  # noqa: PLR2004 - a whole page
        # What is left names no prompt, but says when something was asked for.
        for pattern in (keys.idempotency(owner, "*"), keys.twins(owner, "*")):
            async for key in client.scan_iter(pattern, count=1000):
                await client.unlink(key)
        await _rewrite(client, until)
    finally:
        await client.aclose()
        await bulk.aclose()
    return len(forgotten)


async def _rewrite(client: redis.asyncio.Redis, until: float) -> None:
    """Rewrites the append-only file, without what it has of commands before; nothing where there is none."""
    state = await client.info("persistence")
    if not state["aof_enabled"]:
        return
    while time.monotonic() < until:
        state = await client.info("persistence")
        if not state["aof_rewrite_in_progress"] and not state["aof_rewrite_scheduled"]:
            break
        await asyncio.sleep(PAUSE_SECONDS)
    try:
        await client.bgrewriteaof()
    except ResponseError as error:  # a hosted server may refuse it
        raise OSError(f"BGREWRITEAOF: {error}") from None
    await asyncio.sleep(PAUSE_SECONDS)
    while (state := await client.info("persistence"))["aof_rewrite_in_progress"] or state["aof_rewrite_scheduled"]:
        if time.monotonic() > until:
            raise TimeoutError("the append-only file is still being rewritten")
        await asyncio.sleep(PAUSE_SECONDS)
