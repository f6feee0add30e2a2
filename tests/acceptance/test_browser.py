"""A whole job in a real browser: submitted with fetch, followed by its EventSource, its image decoded."""

import http.server
import json
import queue
import shutil
import subprocess
import threading

import pytest

pytestmark = pytest.mark.browser
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PAGE = """<!doctype html><script>
const told = [];
const tell = report => fetch("/report", {method: "POST", body: JSON.stringify(report)});
async function main() {
  const body = {prompt: "a red fox", sizes: [64], steps: 8};
  const headers = {"Content-Type": "application/json", "Idempotency-Key": "browser"};
  const answer = await fetch(API + "/api/jobs", {method: "POST", headers, body: JSON.stringify(body)});
  const job = await answer.json();
  const source = new EventSource(API + job.urls.events);
  for (const name of ["snapshot", "status", "progress", "done"]) {
    source.addEventListener(name, event => told.push([name, JSON.parse(event.data)]));
  }
  source.addEventListener("done", async event => {
    source.close();
    const done = JSON.parse(event.data);
    const image = await fetch(API + done.urls.images["64"]);
    const bitmap = await createImageBitmap(await image.blob());
    const {width, height} = bitmap;
    tell({told, id: job.id, location: answer.headers.get("Location"), status: done.status, width, height});
  });
}
main().catch(error => tell({error: String(error)}));
</script>"""


@pytest.fixture
def page(stack):
    """A page of another origin than the API; `reports` are the reports that it posts."""
    reports = queue.Queue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(PAGE.replace("API", json.dumps(stack.url)).encode())

        def do_POST(self):
            reports.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", reports
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def browse(tmp_path):
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        pytest.fail(
            f"no browser: install Debian's package chromium, or leave this out with -m 'not browser' ({BROWSERS})"
        )
    started = []

    def _browse(url):
        with (tmp_path / "browser.log").open("wb") as log:
            command = [browser, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", url]
            started.append(subprocess.Popen(command, stdout=log, stderr=log))

    yield _browse
    for process in started:
        process.terminate()
        process.wait(20)


def test_a_browsers_event_source_does_a_whole_job(page, browse):
    url, reports = page
    browse(url)
    report = reports.get(timeout=90)
    assert "error" not in report, report
    names = [name for name, _ in report["told"]]
    assert (names[0], names[-1], report["status"]) == ("snapshot", "done", "succeeded")
    assert report["location"] == f"/api/jobs/{report['id']}"
    assert (report["width"], report["height"]) == (64, 64)
