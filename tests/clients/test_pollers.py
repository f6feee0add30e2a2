"""Clients that poll every 5 s, the interval at which many servers close idle connections: none is cut off.

`make test-clients POLLING=600` polls for as long as it says.
"""

import json
import os
from concurrent.futures import ThreadPoolExecutor

import environments
import pytest

INTERVAL_SECONDS = 5.0
SECONDS = int(os.environ.get("POLL_SECONDS", "20"))
POLLERS = environments.HERE / "pollers"


@pytest.mark.timeout(SECONDS + 600)
def test_no_poller_is_cut_off(run, stack, capsys):
    body = {"prompt": "a red fox", "sizes": [64]}
    job = stack.http.post("/api/jobs", json=body, headers={"Idempotency-Key": "pollers"}).json()
    stack.end_of(job["id"])
    settings = {"JOB": job["id"], "KEY": "pollers", "BODY": json.dumps(body), "POLL_SECONDS": str(INTERVAL_SECONDS)}
    commands = {
        "requests": (environments.python("plain"), POLLERS / "poll_requests.py"),
        "node's agent": (environments.node_program(), POLLERS / "poll_node.mjs"),
        "Java's HttpClient": ("java", POLLERS / "Poll.java"),
    }
    polls = round(SECONDS / INTERVAL_SECONDS)

    def poll(command):
        return json.loads(run(*command, polls, seconds=SECONDS + 120, **settings))

    with ThreadPoolExecutor() as pool:
        counts = dict(zip(commands, pool.map(poll, commands.values()), strict=True))
    with capsys.disabled():
        print(f"\n{counts}")
    # A server whose store is late says so; what may not be is a connection that ends without an answer.
    assert {name: (count["cut"], sum(count.values())) for name, count in counts.items()} == dict.fromkeys(
        commands, (0, polls)
    )
