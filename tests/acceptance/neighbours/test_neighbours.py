"""Three keys on one stack: one does the worst it can, and the others notice little of it."""

import json
import os
import statistics
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pressure import Neighbour, Pressure

KEYS = {name: f"{name}-has-a-key-of-its-own" for name in ("bad", "second", "third")}
MOST = 3  # times what it is alone
FLOOR_SECONDS = 0.05  # below it a ratio says nothing on a machine whose cores the clients share


class Receiver:
    """Gets the neighbours' webhooks, and says how long after its job's end each came."""

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

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def waited(self, job_id, seconds):
        with self._condition:
            self._condition.wait_for(lambda: job_id in self._came, seconds)
            return self._came.get(job_id)


def p95(seconds):
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]


def neighbours(stack, receiver, seconds):
    """Both neighbours for so long; (what each call took, by name, findings)."""
    both = [Neighbour(stack, KEYS[name], receiver, seconds) for name in ("second", "third")]
    for one in both:
        one.start()
    for one in both:
        one.join(seconds + 180)
        assert not one.is_alive()
    took = {name: [s for one in both for s in one.seconds[name]] for name in both[0].seconds}
    return took, [finding for one in both for finding in one.findings]


def measure(stack, *, seconds, large):
    """Prints the table; returns the ratios and the findings."""
    receiver = Receiver()
    bad = {"X-API-Key": KEYS["bad"]}
    body = {"prompt": "a red fox", "sizes": large, "steps": 1}
    large_id = stack.http.post("/api/jobs", json=body, headers=bad).json()["id"]
    while stack.http.get(f"/api/jobs/{large_id}?wait=60&include=none", headers=bad).json()["status"] != "succeeded":
        time.sleep(0.1)
    try:
        alone, found_alone = neighbours(stack, receiver, seconds)
        with Pressure(stack, KEYS["bad"], large_id) as pressure:
            beside, found = neighbours(stack, receiver, seconds)
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()
    ratios = {}
    print(f"\n{'':8} {'alone, n':>14} {'beside, n':>14} {'ratio of p95':>13}")
    for name in alone:
        first, second = p95(alone[name]), p95(beside[name])
        ratios[name] = second / max(first, FLOOR_SECONDS)
        print(
            f"{name:8} {first:8.3f} s {len(alone[name]):3} {second:8.3f} s {len(beside[name]):3} {ratios[name]:12.1f}"
        )
    print(f"the bad one got {dict(sorted(pressure.answers.items()))}; findings: {found_alone + found}", flush=True)
    return ratios, found_alone + found


@pytest.fixture
def guarded(new_stack, webhooks):
    return new_stack(API_KEYS=",".join(KEYS.values()), **webhooks)


@pytest.mark.slow
@pytest.mark.timeout(2 * int(os.environ.get("NEIGHBOURS_SECONDS", "300")) + 600)
def test_a_bad_neighbour_costs_nobody_an_answer_a_place_or_much_time(guarded):
    """`make neighbours SECONDS=300`"""
    seconds = int(os.environ.get("NEIGHBOURS_SECONDS", "300"))
    ratios, found = measure(guarded, seconds=seconds, large=[1024, 2048])
    assert found == []
    assert {name: ratio for name, ratio in ratios.items() if ratio > MOST} == {}
