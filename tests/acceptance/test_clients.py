"""What an app does besides polling: a held submit, an event stream, its list, a part of an image."""

import base64
import http.server
import json
import queue
import re
import subprocess
import threading
from pathlib import Path

import standardwebhooks

ROOT = Path(__file__).parents[2]
BODY = {"prompt": "a red fox", "sizes": [64]}


def events_of(lines):
    name = None
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def test_a_held_submit_brings_the_images(stack):
    response = stack.http.post("/api/jobs", json=BODY | {"steps": 2}, headers={"Prefer": "wait=60"})
    assert (response.status_code, response.json()["status"]) == (200, "succeeded")
    assert response.headers["Preference-Applied"] == "wait=60"
    assert set(response.json()["images"]) == {"64"}


def test_a_stream_tells_a_job_from_its_submit_to_its_end(stack):
    job = stack.submit(sizes=[512], steps=20)
    with stack.http.stream("GET", job["urls"]["events"]) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        told = list(events_of(response.iter_lines()))
    names = [name for name, _ in told]
    assert (names[0], names[-1], set(names)) == ("snapshot", "done", {"snapshot", "status", "progress", "done"})
    steps = [data["step"] for name, data in told if name == "progress"]
    assert steps == sorted(steps)
    assert told[-1][1]["status"] == "succeeded"


def test_curl_does_a_whole_job_as_the_readme_has_it(stack, tmp_path):
    block = re.search(r"```sh\nURL=(\S+)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    commands = re.findall(r"^curl .*(?:\n +.*)?$", block[2], re.MULTILINE)
    commands[0] = commands[0].replace("[256, 512]", '[256, 512], "steps": 2')

    def run(command, job_id=""):
        shell = f"URL={stack.url}\n{command.replace('JOB_ID', job_id)}"
        return subprocess.run(["sh", "-ec", shell], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    submit, poll, wait, image, submit_more, svg, styled, wide, same_but, follow, cancel = commands
    job = json.loads(run(submit))
    polled, waited, _, followed, canceled = (run(each, job["id"]) for each in (poll, wait, image, follow, cancel))
    more = json.loads(run(submit_more.replace("{", '{"steps": 2, "sizes": [64], ')))
    assert {"logo.svg", "64-transparent.png", "icons.zip"} <= {f["name"] for f in stack.end_of(more["id"])["files"]}
    run(svg, more["id"])
    assert "<svg" in (tmp_path / "logo.svg").read_text()
    others = [styled.replace("{", '{"steps": 2, "sizes": [64], '), wide.replace("{", '{"steps": 2, ')]
    others.append(same_but.replace("curl", "curl -F steps=2 -F 'sizes=[64]'"))
    for other in others:
        assert stack.end_of(json.loads(run(other))["id"])["status"] == "succeeded"
    assert {json.loads(answer)["id"] for answer in (polled, waited, canceled)} == {job["id"]}
    assert (json.loads(waited)["status"], json.loads(canceled)["status"]) == ("succeeded", "succeeded")
    image = (tmp_path / "logo.png").read_bytes()
    assert image == base64.b64decode(json.loads(waited)["images"]["512"])
    assert image.startswith(b"\x89PNG")
    assert list(events_of(followed.splitlines()))[-1][0] == "done"


def test_curl_keeps_no_error_as_an_image(stack, tmp_path):
    (download,) = re.findall(r"^curl .* -C - .*$", (ROOT / "docs/client-guide.md").read_text(), re.MULTILINE)
    unknown = "3f0c2d0e-6a5b-4f53-8d43-6f3a2f9f8f10"
    once = download.replace("http://HOST:7860", stack.url).replace("$ID", unknown).replace("--retry 8 ", "")
    assert subprocess.run(["sh", "-c", once], cwd=tmp_path, check=False, capture_output=True).returncode == 22
    assert list(tmp_path.iterdir()) == []


def test_curl_leaves_a_whole_image_as_it_is(stack, tmp_path):
    """Each of the guide's downloads, on a file that is there already: at once, and with the same bytes."""
    job = stack.end_of(stack.submit(sizes=[512], steps=1)["id"])
    downloads = re.findall(r"^curl .*/images/512.png\"$", (ROOT / "docs/client-guide.md").read_text(), re.MULTILINE)
    assert len(downloads) == 2
    for download in [downloads[0], *downloads]:
        shell = download.replace("http://HOST:7860", stack.url).replace("$ID", job["id"])
        done = subprocess.run(["sh", "-c", shell], cwd=tmp_path, check=False, capture_output=True, timeout=15)
        assert done.returncode == 0 or b"416" in done.stderr, done.stderr
        assert (tmp_path / "512.png").read_bytes() == base64.b64decode(job["images"]["512"])


def test_a_stream_that_is_left_is_given_back_and_cancels_nothing(stack):
    job = stack.submit(sizes=[512], steps=20)
    with stack.http.stream("GET", job["urls"]["events"]) as response:
        assert next(events_of(response.iter_lines()))[0] == "snapshot"
    stack.wait_until(lambda: stack.events(event="request", path=job["urls"]["events"]), seconds=10)
    assert stack.end_of(job["id"])["status"] == "succeeded"


def test_the_list_has_the_newest_first(stack):
    ids = [stack.submit(steps=1)["id"] for _ in range(3)]
    for job_id in ids:
        stack.end_of(job_id)
    page = stack.http.get("/api/jobs", params={"limit": 2, "status": "succeeded"}).json()
    rest = stack.http.get("/api/jobs", params={"limit": 1, "status": "succeeded", "cursor": page["next_cursor"]}).json()
    assert [job["id"] for job in page["jobs"] + rest["jobs"]] == ids[::-1]


def test_what_is_more_urgent_is_drawn_first(stack):
    first = stack.submit(sizes=[512], steps=20)
    stack.wait_until(lambda: stack.get(first["id"])["status"] == "running")
    ids = [stack.submit(steps=1, priority=priority)["id"] for priority in ("low", "normal", "high")]
    low, normal, high = (stack.end_of(job_id)["started_at"] for job_id in ids)
    assert high < normal < low


def test_a_job_says_when_it_will_be_done(stack):
    """There is an estimate as soon as a job of the same size has been drawn."""
    stack.end_of(stack.submit(sizes=[512], steps=2)["id"])
    job = stack.submit(sizes=[512], steps=50)
    stack.wait_until(lambda: (stack.get(job["id"])["eta_seconds"] or 0) > 0)
    stack.http.delete(f"/api/jobs/{job['id']}")
    assert stack.end_of(job["id"])["eta_seconds"] is None


def test_a_webhook_tells_the_end_of_a_job(stack):
    told = queue.Queue()

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            told.put((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        job = stack.submit(steps=1, webhook_url=f"http://127.0.0.1:{server.server_port}/")
        headers, body = told.get(timeout=60)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    event = standardwebhooks.Webhook(stack.env["WEBHOOK_SECRETS"]).verify(body, headers)
    assert (event["type"], event["data"]["id"], headers["webhook-id"]) == ("job.succeeded", job["id"], job["id"])


def test_a_download_that_was_cut_goes_on(stack):
    job = stack.submit(steps=1)
    stack.end_of(job["id"])
    url = f"/api/jobs/{job['id']}/images/64.png"
    whole = stack.http.get(url)
    rest = stack.http.get(url, headers={"Range": "bytes=100-", "If-Range": whole.headers["ETag"]})
    assert (rest.status_code, whole.content[:100] + rest.content) == (206, whole.content)
