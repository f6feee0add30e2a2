"""Runs the API and samples where its CPU time goes: `python tests/benchmarks/front/sampled_api.py FILE`.

A timer of the process's own CPU time interrupts it each millisecond, so that other processes on the machine count for
nothing. A sample belongs to the innermost frame that is of one of PARTS. SIGUSR1 begins anew, SIGUSR2 writes them.
"""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

# What stands in a frame's file name, and the part that it belongs to; the first that fits counts.
PARTS = (
    ("api/http_protocol", "HTTP protocol"),
    ("api/upgrade_offers", "HTTP protocol"),
    ("api/old_http", "HTTP protocol"),
    ("api/idle_connections", "HTTP protocol"),
    ("api/front", "front middleware"),
    ("api/access_log", "access log"),
    ("api/metrics", "metrics"),
    ("api/callers", "middleware: address"),
    ("asgi_correlation_id", "middleware: request id"),
    ("api/cors", "middleware: CORS"),
    ("starlette/middleware/cors", "middleware: CORS"),
    ("api/overload", "middleware: overload"),
    ("api/methods", "middleware: methods"),
    ("api/body_limit", "middleware: body limit"),
    ("api/compression", "middleware: compression"),
    ("starlette/middleware", "middleware: Starlette's own"),
    ("starlette/_exception_handler", "middleware: Starlette's own"),
    ("api/forecast", "forecast"),
    ("shared/pace", "forecast"),
    ("shared/ledger/outlook", "forecast"),
    ("shared/representation", "view"),
    ("celery", "publish"),
    ("kombu", "publish"),
    ("shared/queue", "publish"),
    ("concurrent/futures", "publish: thread"),
    ("asyncio/threads", "publish: thread"),
    ("redis/", "Redis client"),
    ("api/shared_reads", "ledger"),
    ("shared/ledger", "ledger"),
    ("shared/jobs", "ledger"),
    ("shared/results", "images"),
    ("api/image_answers", "images"),
    ("structlog", "logging"),
    ("/logging/", "logging"),
    ("limits/", "rate limit"),
    ("api/rate_limit", "rate limit"),
    ("fastapi", "FastAPI: dependencies, validation, answer"),
    ("pydantic", "FastAPI: dependencies, validation, answer"),
    ("starlette/routing", "routing"),
    ("starlette", "Starlette: request, response"),
    ("uvicorn", "HTTP protocol"),
    ("api/auth", "route"),
    ("api/deps", "route"),
    ("api/", "route"),
    ("shared/", "route"),
)
SECONDS = 0.001
counts: Counter[str] = Counter()
_known: dict[str, str] = {}


def _part(file: str) -> str:
    if file not in _known:
        _known[file] = next((part for mark, part in PARTS if mark in file), "")
    return _known[file]


def _sample(_: int, frame: FrameType | None) -> None:
    while frame:
        if part := _part(frame.f_code.co_filename):
            counts[part] += 1
            return
        frame = frame.f_back
    counts["event loop"] += 1


def main() -> None:
    target = Path(sys.argv[1])
    signal.signal(signal.SIGPROF, _sample)
    signal.siginterrupt(signal.SIGPROF, False)
    signal.signal(signal.SIGUSR1, lambda *_: counts.clear())
    signal.signal(signal.SIGUSR2, lambda *_: target.write_text(json.dumps(counts)))
    from api.main import main as serve  # noqa: PLC0415 - the timer is of what follows

    signal.setitimer(signal.ITIMER_PROF, SECONDS, SECONDS)
    serve()


if __name__ == "__main__":
    main()
