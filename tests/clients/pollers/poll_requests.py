"""Polls a job with a session of requests, which repeats nothing: `poll_requests.py POLLS`. Prints the counts."""

import json
import os
import sys
import time

import requests

SUBMIT = os.environ["LOGO_URL"] + "/api/jobs"
HEADERS = {"Content-Type": "application/json", "Idempotency-Key": os.environ["KEY"]}
counts = {"answered": 0, "refused": 0, "cut": 0}

with requests.Session() as session:
    for poll in range(int(sys.argv[1])):
        try:
            # Every other call is a repeated submit: no client repeats a POST by itself.
            if poll % 2:
                answer = session.post(SUBMIT, data=os.environ["BODY"], headers=HEADERS)
            else:
                answer = session.get(f"{SUBMIT}/{os.environ['JOB']}")
            counts["answered" if answer.ok else "refused"] += 1
        except requests.ConnectionError as error:
            print(error, file=sys.stderr)
            counts["cut"] += 1
        time.sleep(float(os.environ["POLL_SECONDS"]))
print(json.dumps(counts))
