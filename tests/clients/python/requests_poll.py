"""Submit, poll and fetch with requests."""

import os
import time
from pathlib import Path

import requests

URL = os.environ["LOGO_URL"]

with requests.Session() as session:
    job = session.post(f"{URL}/api/jobs", json={"prompt": "a red fox head, geometric", "sizes": [256]}).json()
    while job["status"] not in ("succeeded", "failed", "canceled", "expired"):
        answer = session.get(URL + job["urls"]["self"], params={"include": "none"})
        job = answer.json()
        time.sleep(int(answer.headers.get("Retry-After", 0)))
    assert job["status"] == "succeeded", job
    Path("256.png").write_bytes(session.get(URL + job["urls"]["images"]["256"]).content)
