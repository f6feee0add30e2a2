"""Links to jobs: of another key, with images that are gone, below a path, with images at another server."""

import re

import httpx
import pytest
import redis
from playwright.sync_api import expect

from shared.results import places
from shared.results.redis_store import RedisResults

pytestmark = pytest.mark.browser
JOB = {"prompt": "a red fox", "sizes": [64]}


def test_a_link_to_no_job(stack, visit, flawless):
    page = visit(stack.url, "/jobs/3f0c2d0e-6a5b-4f53-8d43-6f3a2f9f8f10")
    expect(page.locator("#stage")).to_contain_text("There is no such job here.")
    flawless(page)


def test_a_link_to_a_job_of_another_key(new_api, visit):
    api = new_api(API_KEYS="the-key-of-one,the-key-of-another")
    job = httpx.post(f"{api.url}/api/jobs", json=JOB, headers={"X-API-Key": "the-key-of-one"}).json()
    page = visit(api.url, f"/jobs/{job['id']}", ready="dialog.key")
    page.keyboard.type("the-key-of-another")
    page.keyboard.press("Enter")
    expect(page.locator("#stage")).to_contain_text("There is no such job here.")
    expect(page.locator(".card")).to_have_count(0)


def test_images_that_are_given_up(stack, visit, ask, flawless):
    page = visit(stack.url)
    ask(page)
    page.wait_for_selector("#stage .stage-main")
    page.click(".card .open")
    link = page.url.removeprefix(stack.url)
    job = stack.get(link.removeprefix("/jobs/"))
    with redis.Redis.from_url(stack.redis_url) as client:
        RedisResults(client).drop(places.images(job["id"], job["attempt"]))
    page.click(".files li[data-name='logo.svg'] button:has-text('Download')")
    gone = "The server no longer has the files of this logo. It can be drawn again, as it was."
    expect(page.locator("#live.toast")).to_have_text(gone)
    page.context.new_cdp_session(page).send("Network.clearBrowserCache")
    page.reload()
    expect(page.locator("#stage .notice")).to_have_text(gone)
    # This browser has a small picture, another one has none.
    expect(page.locator("#stage .canvas img")).to_have_count(1)
    flawless(page)
    other = visit(stack.url, link)
    expect(other.locator("#stage .notice")).to_have_text(gone)
    assert other.locator("#stage .canvas").count() == 0
    with other.expect_request(lambda request: request.method == "POST") as asked:
        other.click("[data-act=drawAgain]")
    assert (asked.value.post_data_json["seed"], asked.value.post_data_json["steps"]) == (job["seed"], 1)
    other.wait_for_selector("#stage .stage-main")


def test_below_a_path(new_api, visit, ask):
    api = new_api(ROOT_PATH="/logo")
    page = visit(api.url, "/logo/")
    ask(page)
    expect(page.locator("#stage .state")).to_have_text(re.compile("^Position 1"))
    page.click(".card .open")
    assert re.fullmatch(re.escape(f"{api.url}/logo/jobs/") + "[0-9a-f-]{36}", page.url)
    page.reload()
    expect(page.locator("#stage-title")).to_have_text("a red fox")
    page.click("#home")
    assert page.url == f"{api.url}/logo/"
    # Another server of this host keeps its own history.
    assert page.evaluate("indexedDB.databases().then(all => all.map(one => one.name))") == ["logo-studio /logo/"]


@pytest.mark.slow
@pytest.mark.parametrize("signed", [False, True], ids=["with a key", "signed"])
def test_images_of_another_server(new_stack, s3, visit, ask, signed):
    store = {name.upper(): str(value) for name, value in s3.settings().items()}
    keys = {"API_KEYS": "the-key-of-one"} | ({"URL_SIGNING_KEYS": "s" * 32} if signed else {})
    stack = new_stack(RESULT_REDIRECTS="true", AWS_REGION="us-east-1", **store, **keys)
    page = visit(stack.url)
    fetched = []
    page.on("request", lambda request: fetched.append(request) if request.url.startswith(s3.url) else None)
    ask(page)
    page.keyboard.type("the-key-of-one")
    page.keyboard.press("Enter")
    page.wait_for_selector("#stage .stage-main")
    page.wait_for_function("() => document.querySelector('#stage .canvas img').naturalWidth === 64")
    images = [request for request in fetched if request.method == "GET"]
    assert images
    # A signed URL needs no key, and takes none to another server.
    assert any("x-api-key" in request.all_headers() for request in images) is not signed
