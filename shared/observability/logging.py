"""Configures the logs of every process: events with fields, one line each, on standard output.

The libraries' records pass through the same processors as our own events.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import re
import sys
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from typing import TextIO

# Loggers of libraries that are shown from WARNING on: at INFO they repeat what our own events say with fields.
_QUIET = ("uvicorn.access", "celery.worker.strategy", "celery.app.trace", "httpx", "kombu", "urllib3", "httpcore")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


def configure(level: str, log_format: str, process: str) -> None:
    """`process`: the part of the system (api, generate, finish, sweeper, ...) that each line names."""
    shared_processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _add_process(process),
    ]
    renderer: Any
    if log_format == "json":
        renderer = structlog.processors.JSONRenderer(_compact)
    else:
        shared_processors.append(_replace_control_characters)
        renderer = structlog.dev.ConsoleRenderer(colors=True, pad_event_to=24)
    # Our own events are written at once: a record of the standard library for each takes twice the time.
    structlog.configure(
        processors=[*shared_processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=functools.partial(_Lines, sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared_processors,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "celery", "celery.task", "celery.redirected"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    logging.captureWarnings(capture=True)


class _Lines:
    """Writes an event to `stream` as one line, in one call, so that lines of several threads are not mixed."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream = stream
        self.name = name

    def write(self, line: str) -> None:
        # A full disk or a pipe that nobody reads any more ends no call and no drawing.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()

    debug = info = warning = error = critical = write


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(name)
    return logger


def _add_process(process: str) -> Any:
    def add(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("process", process)
        return event

    return add


def _compact(event: MutableMapping[str, Any], default: Callable[[Any], Any]) -> str:
    return _encoder(default).encode(event)


@functools.cache
def _encoder(default: Callable[[Any], Any]) -> json.JSONEncoder:
    """json.dumps makes one for each call."""
    return json.JSONEncoder(default=default)


def _replace_control_characters(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keeps a prompt or header from starting a line of its own in the text format; JSON escapes line breaks itself."""
    return {
        key: _CONTROL.sub(" ", value) if isinstance(value, str) and key != "exception" else value
        for key, value in event.items()
    }
