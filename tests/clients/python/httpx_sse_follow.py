"""A job's event stream, read as httpx-sse's README does it."""

import os
from pathlib import Path

import httpx
from httpx_sse import connect_sse

with httpx.Client(base_url=os.environ["LOGO_URL"], timeout=60) as client:
    job = client.post("/api/jobs", json={"prompt": "a red fox head, geometric", "sizes": [256]}).json()
    names = []
    with connect_sse(client, "GET", job["urls"]["events"]) as event_source:
        for sse in event_source.iter_sse():
            names.append(sse.event)
            told = sse.json()
    assert (names[0], names[-1]) == ("snapshot", "done"), names
    assert told["status"] == "succeeded", told
    Path("256.png").write_bytes(client.get(told["urls"]["images"]["256"]).content)
