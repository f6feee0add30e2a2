"""The server as the client guide has it used: every call is repeated until it is answered, a submit under one key."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any, Self

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

TERMINAL = ("succeeded", "failed", "canceled", "expired")
TRIES = 5
PASSING = (429, 503)
# Longer than the heartbeat of an event stream, and than a long poll.
TIMEOUT_SECONDS = 40
WAIT_SECONDS = 25

Job = dict[str, Any]


class Refused(Exception):
    """The server answered, but not with what was asked for."""


class Server:
    def __init__(self, url: str, api_key: str | None) -> None:
        headers = {"X-API-Key": api_key} if api_key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def submit(self, body: dict[str, Any]) -> Job:
        return self.json("POST", "/api/jobs", json=body, headers={"Idempotency-Key": str(uuid.uuid4())})

    def job(self, job_id: str, *, wait: int = 0) -> Job:
        return self.json("GET", f"/api/jobs/{job_id}", params={"include": "none", "wait": wait})

    def image(self, url: str) -> bytes:
        return self.ask("GET", url).content

    def ended(self, job_id: str) -> Job:
        while (job := self.job(job_id, wait=WAIT_SECONDS))["status"] not in TERMINAL:
            pass
        return job

    def events(self, job_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """(event, data) until the stream ends; nothing at all where there is none to be had."""
        with self._http.stream("GET", f"/api/jobs/{job_id}/events") as response:
            if response.is_error:
                return
            name = ""
            for line in response.iter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield name, json.loads(line.removeprefix("data: "))

    def json(self, method: str, path: str, **options: Any) -> Job:
        found: Job = self.ask(method, path, **options).json()
        return found

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """:raises Refused: with the server's own message.
        :raises httpx.TransportError: no answer to TRIES requests.
        """
        for tries in range(1, TRIES + 1):
            try:
                response = self._http.request(method, path, **options)
            except httpx.TransportError:
                if tries == TRIES:
                    raise
                time.sleep(0.1 * 2**tries)
                continue
            if response.status_code in PASSING and tries < TRIES:
                time.sleep(min(10, int(response.headers.get("Retry-After", 1))))
                continue
            if response.is_error:
                raise Refused(f"{response.status_code} {_message(response)}")
            break
        return response


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return response.reason_phrase
