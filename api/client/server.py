"""The HTTP client behind the commands: repeats requests as docs/client-guide.md asks, and submits under one key."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Self

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

TERMINAL = ("succeeded", "failed", "canceled", "expired")
TRIES = 5
RETRIED = (429, 502, 503, 504)  # statuses after which a request is repeated
# The longest that the server asks for; what is in between may ask for hours.
MAX_PAUSE_SECONDS = 90.0
# Longer than the heartbeat interval of an event stream, and longer than a long poll.
TIMEOUT_SECONDS = 40
WAIT_SECONDS = 25

Job = dict[str, Any]


class Refused(Exception):
    """The server answered with an error."""


class Server:
    def __init__(self, url: str, api_key: str | None) -> None:
        """:raises Refused: `url` is none, or the key or the environment's proxy cannot be used."""
        try:
            # In UTF-8, as the server reads it; httpx itself refuses what is not ASCII.
            headers = {b"X-API-Key": api_key.strip().encode()} if api_key else {}
        except UnicodeEncodeError:
            raise Refused("the API key is not text in UTF-8") from None
        try:
            parsed = httpx.URL(url if "://" in url else f"http://{url}")
        except httpx.InvalidURL as error:
            raise Refused(f"{url!r} is not a URL such as http://127.0.0.1:7860: {error}") from None
        url = str(parsed)
        # The environment's proxy does not reach this machine.
        proxies = not _is_this_machine(parsed.host)
        try:
            self._http = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=proxies)
        except (ImportError, ValueError) as error:
            raise Refused(f"the proxy in the environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY): {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def submit(self, body: dict[str, Any], key: str, image: tuple[str, bytes] | None = None) -> Job:
        """Submits a job; a repeat with the same `key` returns the same job.

        :param image: name and bytes of the file that the job starts from.
        """
        if image:
            rest = {name: value for name, value in body.items() if name != "image"}
            form = {name: value if isinstance(value, str) else json.dumps(value) for name, value in rest.items()}
            options = {"data": form, "files": {"image": image}, "headers": {"Idempotency-Key": key}}
            return self.json("POST", "/api/jobs", **options)
        return self.json("POST", "/api/jobs", json=body, headers={"Idempotency-Key": key})

    def job(self, job_id: str, *, wait: int = 0) -> Job:
        return self.json("GET", f"/api/jobs/{job_id}", params={"include": "none", "wait": wait})

    def image(self, url: str) -> bytes:
        # Resolved as a browser does it: httpx would put the base URL's path before the URL's own.
        return self.ask("GET", str(self._http.base_url.join(url))).content

    def ended(self, job_id: str) -> Job:
        while (job := self.job(job_id, wait=WAIT_SECONDS))["status"] not in TERMINAL:
            pass
        return job

    def events(self, job_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """(event, data) of the job's stream until it ends; nothing if the server answers with an error."""
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
        """Sends a request, up to TRIES times. A POST without a key is sent once: a repeat would create another job.

        :raises Refused: the server answered with an error, whose message this has.
        :raises httpx.TransportError: no try was answered.
        """
        max_tries = TRIES if method != "POST" or "Idempotency-Key" in options.get("headers", {}) else 1
        for tries in range(1, max_tries + 1):
            try:
                response = self._http.request(method, path, **options)
            except httpx.TransportError:
                if tries == max_tries:
                    raise
                time.sleep(0.1 * 2**tries)
                continue
            if response.status_code in RETRIED and tries < max_tries:
                time.sleep(_pause(response.headers.get("Retry-After", "")))
                continue
            if response.is_error:
                raise Refused(f"{response.status_code} {_message(response)}")
            break
        return response


def _is_this_machine(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
    # 0.0.0.0 and ::, on which a server listens, are this machine for a client.
    return address.is_loopback or address.is_unspecified


def _pause(retry_after: str) -> float:
    """Seconds to wait, from a Retry-After in seconds or as a date (RFC 9110, 10.2.3); 1 if it is neither."""
    if retry_after.isdecimal():
        return min(MAX_PAUSE_SECONDS, int(retry_after))
    try:
        seconds = (parsedate_to_datetime(retry_after) - dt.datetime.now(dt.UTC)).total_seconds()
    except (ValueError, TypeError):
        return 1
    return min(MAX_PAUSE_SECONDS, max(0, seconds))


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return response.reason_phrase
