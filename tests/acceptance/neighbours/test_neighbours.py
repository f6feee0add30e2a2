"""Three keys on one stack: one does the worst it can, and the others notice little of it."""

import json
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.cpu_time import family_seconds

HERE = Path(__file__).parent
KEYS = {name: f"{name}-has-a-key-of-its-own" for name in ("bad", "second", "third")}
LOADS = "fetch,slow,cancel,wait,poll,largest"
MOST = 3  # times what it is alone
BEFORE_SECONDS = 3  # for which the pressure builds up


def start(script, *arguments):
    return subprocess.Popen([sys.executable, HERE / script, *map(str, arguments)], stdout=subprocess.PIPE)


def said(process, seconds):
    return json.loads(process.communicate(timeout=seconds)[0])


def p95(seconds):
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]


def neighbours(stack, seconds):
    """Both neighbours for so long; (what each call took, by name, findings)."""
    both = [start("neighbour.py", stack.url, KEYS[name], seconds) for name in ("second", "third")]
    both = [said(one, seconds + 180) for one in both]
    took = {name: [s for one in both for s in one["seconds"][name]] for name in both[0]["seconds"]}
    return took, [finding for one in both for finding in one["findings"]]


def cpu_seconds(stack):
    """What the API's processes have used, of which there may be several."""
    return family_seconds(stack.processes("api.main")[0].pid)


def press(stack, *, seconds, large, loads):
    """Starts the bad one, and returns its process when the pressure has built up."""
    bad = {"X-API-Key": KEYS["bad"]}
    body = {"prompt": "a red fox", "sizes": large, "steps": 1}
    large_id = stack.http.post("/api/jobs", json=body, headers=bad).json()["id"]
    while stack.http.get(f"/api/jobs/{large_id}?wait=60&include=none", headers=bad).json()["status"] != "succeeded":
        time.sleep(0.1)
    pressure = start("pressure.py", stack.url, KEYS["bad"], large_id, loads, seconds + 2 * BEFORE_SECONDS)
    time.sleep(BEFORE_SECONDS)
    return pressure


def measure(stack, *, seconds, large, floor, loads=LOADS):
    """Prints the table; returns the ratios and the findings. Below `floor` seconds a ratio says nothing on a machine
    whose cores the clients share.
    """
    alone, found_alone = neighbours(stack, seconds)
    pressure = press(stack, seconds=seconds, large=large, loads=loads)
    used, since = cpu_seconds(stack), time.monotonic()
    beside, found = neighbours(stack, seconds)
    used = (cpu_seconds(stack) - used) / (time.monotonic() - since)
    ratios = {}
    print(f"\n{'':8} {'alone, n':>14} {'beside, n':>14} {'ratio of p95':>13}")
    for name in alone:
        first, second = p95(alone[name]), p95(beside[name])
        ratios[name] = second / max(first, floor / MOST)
        row = f"{first:8.3f} s {len(alone[name]):3} {second:8.3f} s {len(beside[name]):3} {second / first:12.1f}"
        print(f"{name:8} {row}")
    print(f"load of the machine {psutil.getloadavg()[0]:.1f}, of a core by the API {used:.2f}; {found_alone + found}")
    print(f"the bad one got {said(pressure, 60)}", flush=True)
    return ratios, found_alone + found


@pytest.fixture
def guarded(new_stack, webhooks):
    return new_stack(API_KEYS=",".join(KEYS.values()), **webhooks)


@pytest.mark.slow
@pytest.mark.timeout(2 * int(os.environ.get("NEIGHBOURS_SECONDS", "300")) + 600)
def test_a_bad_neighbour_costs_nobody_an_answer_a_place_or_much_time(guarded):
    """`make neighbours SECONDS=300`; LOADS=fetch,wait: only some of what it does."""
    seconds, loads = int(os.environ.get("NEIGHBOURS_SECONDS", "300")), os.environ.get("NEIGHBOURS_LOADS") or LOADS
    ratios, found = measure(guarded, seconds=seconds, large=[1024, 2048], floor=0.1, loads=loads)
    assert found == []
    assert {name: ratio for name, ratio in ratios.items() if ratio > MOST} == {}


def test_a_neighbour_waits_less_than_who_presses(guarded):
    """The short form, for a machine that other tests keep busy: no call of the others is refused, their jobs keep
    their places, and their polls wait less than the bad one's own.
    """
    pressure = press(guarded, seconds=4, large=[1024], loads=LOADS)
    took, found = neighbours(guarded, 4)
    its_own = said(pressure, 60)
    assert found == []
    waited = its_own["poll_seconds"] or math.inf  # none: each was refused after all of the time that a call may wait
    assert statistics.median(took["poll"]) < waited / 2, its_own
