"""Ten thousand phones that come back in the same second: polls and waits, each repeated after its `Retry-After`."""

from __future__ import annotations

import asyncio
import json
import random
import re
import resource
import threading
import time
from collections import Counter

import httpx
from tenants import BURST

CALLS = 10_000
WAITS = 0.2  # the share of calls that wait
WAIT_SECONDS = 2
# For the connections of the others in this process: each call of the burst has one of its own.
RESERVED_FILES = 512
# Until the last call is answered, on a machine that other work shares.
RECOVERED_SECONDS = 120
# Longer, for each time that the API is killed or stopped meanwhile: so long a client stays away at most after a
# connection that ended.
LONGEST_PAUSE = 30
STRUCK_SECONDS = 1.5 * LONGEST_PAUSE
# Those of a server that has more calls than it answers at once, of all callers or of this one.
REFUSALS = ("overloaded", "too_many_waits", "too_many_requests")
# Of calls that outlast the grace of an API process that the nemesis ends.
RESTARTS = "the server restarts; try again"
_RETRY = re.compile(rb"\r\nretry-after: *(\d+)", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Burst(threading.Thread):
    """Asks for one job `calls` times at once, and again until each call is answered."""

    def __init__(self, url, job_id, seed, calls=CALLS):
        super().__init__(name="burst", daemon=True)
        self.url, self.job_id = httpx.URL(url), job_id
        self.random = random.Random(seed)
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.calls = min(calls, soft - RESERVED_FILES)
        self.answered = 0
        self.codes = Counter()  # of refusals
        self.unexpected = []  # answers outside the contract
        self.seconds = None  # from the first call to the last one's answer
        self.strikes = 0  # of the API that it asks, while it lasts

    def run(self):
        start = time.monotonic()
        asyncio.run(self._all())
        self.seconds = time.monotonic() - start
        if self.answered < self.calls:
            self.unexpected.append(f"burst: {self.calls - self.answered} calls unanswered after {self.seconds:.0f} s")

    async def _all(self):
        calls = [asyncio.create_task(self._call(self.random.random() < WAITS)) for _ in range(self.calls)]
        start, late = time.monotonic(), calls
        while late and (left := start + self._allowed() - time.monotonic()) > 0:
            _, late = await asyncio.wait(late, timeout=left)
        for call in late:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    def _allowed(self):
        return RECOVERED_SECONDS + self.strikes * STRUCK_SECONDS

    async def _call(self, waits):
        await asyncio.sleep(self.random.random())
        pause = 1
        while True:
            try:
                status, head, body = await self._ask(f"?wait={WAIT_SECONDS}&include=none" if waits else "?include=none")
            except (OSError, asyncio.IncompleteReadError):
                # The server was restarted, or has no room for the connection yet. As docs/client-guide.md has it.
                await asyncio.sleep(pause * (0.5 + self.random.random()))
                pause = min(LONGEST_PAUSE, 2 * pause)
                continue
            if status == 200:
                self.answered += 1
                return
            error = json.loads(body)["error"]
            code = error["code"]
            self.codes[code] += 1
            # One address may hold a bounded number of calls: then it polls.
            waits = waits and code != "too_many_waits"
            after = _RETRY.search(head)
            restarts = self.strikes > 0 and error["message"] == RESTARTS
            if not (code in REFUSALS or restarts) or not after:
                self.unexpected.append(f"burst: {status} {body[:200]!r}")
                return
            await asyncio.sleep(int(after[1]))

    async def _ask(self, query):
        reader, writer = await asyncio.open_connection(self.url.host, self.url.port)
        try:
            writer.write(
                f"GET /api/jobs/{self.job_id}{query} HTTP/1.1\r\nHost: t\r\nX-API-Key: {BURST}\r\n"
                "Connection: close\r\n\r\n".encode()
            )
            head = await reader.readuntil(b"\r\n\r\n")
            return int(head[9:12]), head, await reader.readexactly(int(_LENGTH.search(head)[1]))
        finally:
            writer.close()
