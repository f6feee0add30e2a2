"""Submits a job with a webhook to this process; `received` returns the first delivery as (body, headers)."""

import http.server
import json
import os
from pathlib import Path
from urllib.request import Request, urlopen

URL, SECRET = os.environ["LOGO_URL"], os.environ["WEBHOOK_SECRET"]


def received():
    deliveries = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            deliveries.append((body, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(204)
            self.end_headers()

    with http.server.HTTPServer(("127.0.0.1", 0), Receiver) as server:
        body = {"prompt": "a red fox", "sizes": [256], "webhook_url": f"http://127.0.0.1:{server.server_port}/"}
        submit = Request(f"{URL}/api/jobs", json.dumps(body).encode(), {"Content-Type": "application/json"})
        urlopen(submit).close()
        server.handle_request()
    return deliveries[0]


def save(payload):
    """Keeps the image of a verified event."""
    event = json.loads(payload)
    assert event["type"] == "job.succeeded", event
    with urlopen(URL + event["data"]["urls"]["images"]["256"]) as answer:
        Path("256.png").write_bytes(answer.read())
