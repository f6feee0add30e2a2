"""The worst that one key can do to a stack, all at once, in a process of its own: what it costs is the server's, and
not that of a client that shares its interpreter with those who measure.

`python pressure.py URL KEY LARGE_ID LOADS SECONDS`: LARGE_ID is a job of this key that has succeeded. Prints JSON:
`answers` has what its calls got, `poll_seconds` the median of what its polls took that were not refused. It writes HTTP
itself: clients' pools of hundreds of connections cost more than the server.
"""

import asyncio
import contextlib
import itertools
import json
import resource
import socket
import statistics
import sys
import time
from collections import Counter
from urllib.parse import urlsplit

BODY = {"prompt": "a red fox", "sizes": [64]}
LARGEST = {"prompt": "a red fox", "sizes": [2048], "num_images": 4, "steps": 1, "priority": "low"}
# Dead receivers are aimed at by so many of the first submits.
DEAD_WEBHOOKS = 60
PAUSE_SECONDS = 0.2
# Not the neighbours', as it would be: connections are counted by address, and webhooks by host.
ADDRESS = "127.0.0.2"


class Connection:
    """One that is kept, and opened anew where the server has closed it."""

    def __init__(self, url, key):
        where = urlsplit(url)
        self._place, self._key, self._writer = (where.hostname, where.port), key, None

    async def ask(self, method, path, body=None, *, slowly=False):
        """(status, the beginning of the body)"""
        if self._writer is None or self._writer.is_closing():
            self._reader, self._writer = await asyncio.open_connection(
                *self._place, limit=4096 if slowly else 2**20, local_addr=(ADDRESS, 0)
            )
        data = json.dumps(body).encode() if body else b""
        lines = [f"{method} {path} HTTP/1.1", "Host: t", f"X-API-Key: {self._key}", f"Content-Length: {len(data)}"]
        lines += ["Content-Type: application/json", "", ""]
        self._writer.write("\r\n".join(lines).encode() + data)
        try:
            head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
            left, beginning = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]), b""
            while left:
                chunk = await self._reader.read(1024 if slowly else 2**18)
                if not chunk:
                    raise ConnectionError("the answer was cut")
                left -= len(chunk)
                beginning += chunk[: 4096 - len(beginning)]
                if slowly:
                    await asyncio.sleep(PAUSE_SECONDS)
        except (OSError, asyncio.IncompleteReadError):
            self._writer.close()
            raise
        return int(head.split()[1]), beginning


class Pressure:
    def __init__(self, url, key, large_id):
        self._url, self._key, self._large = url, key, f"/api/jobs/{large_id}"
        self._dead = socket.create_server((ADDRESS, 0))  # accepts and never answers
        self._aimed = itertools.count()
        self._unended = self._large
        self.answers = Counter()
        self.poll_seconds = []
        self.loads = {
            "fetch": (8, self._fetch),
            "slow": (20, self._read_slowly),
            "cancel": (2, self._cancel),
            "wait": (1400, self._wait),
            "poll": (100, self._poll),
            "largest": (1, self._draw_largest),
        }

    async def run(self, names):
        """Until it is canceled."""
        works = [work for name in names for work in [self.loads[name][1]] * self.loads[name][0]]
        await asyncio.gather(*(self._repeat(work) for work in works), self._repeat(self._keep_one_unended))

    async def _repeat(self, work):
        connection = Connection(self._url, self._key)
        while True:
            try:
                await work(connection)
            except (OSError, asyncio.IncompleteReadError):
                self.answers[f"{work.__name__.strip('_')} cut"] += 1
                await asyncio.sleep(PAUSE_SECONDS)

    async def _ask(self, name, connection, *call, **options):
        status, body = await connection.ask(*call, **options)
        self.answers[f"{name} {status}"] += 1
        return json.loads(body) if status == 202 else None

    async def _fetch(self, connection):
        await self._ask("fetch", connection, "GET", self._large)

    async def _read_slowly(self, connection):
        await self._ask("slow", connection, "GET", self._large, slowly=True)

    async def _poll(self, connection):
        start = time.monotonic()
        status, _ = await connection.ask("GET", f"{self._large}?include=none")
        self.answers[f"poll {status}"] += 1
        if status == 200:
            self.poll_seconds.append(time.monotonic() - start)

    async def _cancel(self, connection):
        hook = {"webhook_url": f"http://{ADDRESS}:{self._dead.getsockname()[1]}/"}
        aimed = hook if next(self._aimed) < DEAD_WEBHOOKS else {}
        if made := await self._ask("submit", connection, "POST", "/api/jobs", BODY | aimed):
            await self._ask("cancel", connection, "DELETE", f"/api/jobs/{made['id']}")
        else:
            await asyncio.sleep(1)

    async def _draw_largest(self, connection):
        await self._draw(connection, LARGEST)

    async def _keep_one_unended(self, connection):
        """So that the held calls have a job to wait for. It is of low priority: nobody's job is drawn after it."""
        await self._draw(connection, BODY | {"steps": 20, "priority": "low"}, waited_for=True)

    async def _draw(self, connection, body, *, waited_for=False):
        if made := await self._ask("submit", connection, "POST", "/api/jobs", body):
            job = f"/api/jobs/{made['id']}"
            self._unended = job if waited_for else self._unended
            await self._ask("drawn", connection, "GET", f"{job}?wait=20&include=none")
        else:
            await asyncio.sleep(1)

    async def _wait(self, connection):
        await self._ask("wait", connection, "GET", f"{self._unended}?wait=5&include=none")
        await asyncio.sleep(PAUSE_SECONDS)


async def main(url, key, large_id, loads, seconds):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    pressure = Pressure(url, key, large_id)
    used = time.process_time()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(float(seconds)):
            await pressure.run(loads.split(","))
    answers = dict(sorted(pressure.answers.items())) | {"cpu_seconds": round(time.process_time() - used, 1)}
    polled = round(statistics.median(pressure.poll_seconds), 3) if pressure.poll_seconds else None
    print(json.dumps({"answers": answers, "poll_seconds": polled}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
