"""A key that submits, polls and gets webhooks as an app does, in a process of its own.

`python neighbour.py URL KEY SECONDS` prints JSON: `seconds` has what each call took, by its name, `findings` what went
wrong.
"""

import contextlib
import json
import os
import sys
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

MOST_BEFORE = 2  # jobs of the two other keys, one of each, as keys take turns in the queue
BODY = {"prompt": "a red fox", "sizes": [64], "steps": 1}


class Receiver:
    """Gets the webhooks, and says how long after its job's end each came."""

    def __init__(self):
        self._came, self._condition = {}, threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(204)
                self.end_headers()
                ended = datetime.fromisoformat(event["timestamp"])
                with receiver._condition:
                    receiver._came[event["data"]["id"]] = (datetime.now(UTC) - ended).total_seconds()
                    receiver._condition.notify_all()

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}/"
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def waited(self, job_id, seconds):
        with self._condition:
            self._condition.wait_for(lambda: job_id in self._came, seconds)
            return self._came.get(job_id)


class Neighbour:
    def __init__(self, url, key):
        self._http = httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=60)
        self._receiver = Receiver()
        self.seconds = {"submit": [], "poll": [], "webhook": []}
        self.findings = []

    def run(self, seconds):
        until = time.monotonic() + seconds
        with self._http:
            while time.monotonic() < until:
                try:
                    self._draw()
                except httpx.HTTPError as error:
                    self.findings.append(repr(error))

    def _ask(self, name, method, path, **options):
        start = time.monotonic()
        response = self._http.request(method, path, **options)
        self.seconds[name].append(time.monotonic() - start)
        if response.status_code not in (200, 202):
            self.findings.append(f"{method} {path}: {response.status_code} {response.text[:200]}")
        return response.json()

    def _draw(self):
        job = self._ask("submit", "POST", "/api/jobs", json=BODY | {"webhook_url": self._receiver.url})
        while job.get("status") in ("queued", "running", "finishing"):
            time.sleep(0.2)
            job = self._ask("poll", "GET", f"/api/jobs/{job['id']}", params={"include": "none"})
            if (job.get("queue_position") or 0) > MOST_BEFORE + 1:
                self.findings.append(f"{job['id']} is at place {job['queue_position']}")
        if job.get("status") != "succeeded":
            self.findings.append(f"ended: {job}")
        elif waited := self._receiver.waited(job["id"], 60):
            self.seconds["webhook"].append(waited)
        else:
            self.findings.append(f"{job['id']}: no webhook within 60 s")


if __name__ == "__main__":
    # What is measured is the service, and not how long this process itself waits for a core.
    with contextlib.suppress(PermissionError):
        os.nice(-10)
    neighbour = Neighbour(*sys.argv[1:3])
    neighbour.run(float(sys.argv[3]))
    print(json.dumps({"seconds": neighbour.seconds, "findings": neighbour.findings}))
