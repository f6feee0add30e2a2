"""A whole job in a real browser: submitted with fetch, followed by its EventSource, its image decoded."""

import functools
import http.server
import threading

import pytest

pytestmark = pytest.mark.browser
# A stream that the browser gives up is told at once, one that stays silent after a while.
WHOLE_JOB = """api => new Promise((told, fail) => {
  const events = [];
  const wrong = why => fail(new Error(`${why}, after ${JSON.stringify(events)}`));
  setTimeout(() => wrong("no end within 120 s"), 120_000);
  async function main() {
    const body = {prompt: "a red fox", sizes: [64], steps: 8};
    const headers = {"Content-Type": "application/json", "Idempotency-Key": "browser"};
    const answer = await fetch(api + "/api/jobs", {method: "POST", headers, body: JSON.stringify(body)});
    const job = await answer.json();
    if (answer.status !== 202) throw `${answer.status} ${JSON.stringify(job)}`;
    const source = new EventSource(api + job.urls.events);
    source.onerror = () => { if (source.readyState === EventSource.CLOSED) wrong("the stream was refused"); };
    for (const name of ["snapshot", "status", "progress", "done"]) {
      source.addEventListener(name, event => events.push([name, JSON.parse(event.data)]));
    }
    source.addEventListener("done", async event => {
      source.close();
      try {
        const done = JSON.parse(event.data);
        const image = await fetch(api + done.urls.images["64"]);
        const {width, height} = await createImageBitmap(await image.blob());
        told({events, id: job.id, location: answer.headers.get("Location"), status: done.status, width, height});
      } catch (error) {
        wrong(error);
      }
    });
  }
  main().catch(wrong);
})"""


@pytest.fixture
def elsewhere(tmp_path):
    """The URL of an empty page of another origin than the API."""
    (tmp_path / "index.html").write_text("<!doctype html><title>Elsewhere</title>")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_a_browsers_event_source_does_a_whole_job(stack, browser, elsewhere):
    page = browser.new_page()
    page.goto(elsewhere)
    report = page.evaluate(WHOLE_JOB, stack.url)
    names = [name for name, _ in report["events"]]
    assert (names[0], names[-1], report["status"]) == ("snapshot", "done", "succeeded")
    assert report["location"] == f"/api/jobs/{report['id']}"
    assert (report["width"], report["height"]) == (64, 64)
