"""Chromium on the studio of the shared stack. A page that logs an error or breaks its own policy fails its test."""

from pathlib import Path

import httpx
import pytest
from door import Door
from playwright.sync_api import expect

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
AXE = Path(__file__).parent / "axe.min.js"
# A busy machine draws slowly.
PATIENCE_MS = 120_000
USUAL_WIDTH = 1280
WIDTHS = (360, 390, 768, 1280, 2560)
expect.set_options(timeout=PATIENCE_MS)


def new_context(browser, width=USUAL_WIDTH, **options):
    # Animations that nobody sees cost the drawings their cores.
    usual = {"locale": "en-GB", "accept_downloads": True, "reduced_motion": "reduce"}
    viewport = {"width": width, "height": 844 if width < 600 else 900}
    context = browser.new_context(**usual | {"viewport": viewport} | options)
    context.set_default_timeout(PATIENCE_MS)
    return context


@pytest.fixture(params=[1280, pytest.param(390, marks=pytest.mark.slow)])
def width(request):
    """Of a desk, and in `make test-slow` of a phone too."""
    return request.param


@pytest.fixture
def context(browser):
    made = []

    def new(**options):
        made.append(new_context(browser, **options))
        return made[-1]

    yield new
    for context in made:
        context.close()


@pytest.fixture(scope="module")
def usual_context(browser):
    """One for the tests that ask for nothing else: the pages' files are in its cache."""
    context = new_context(browser)
    yield context
    context.close()


@pytest.fixture
def visit(context, usual_context):
    """(base URL, path) -> a page of the studio that is ready, with no history or with that of another page."""
    wrong, used = [], []

    def _visit(base, path="/", beside=None, ready="html[data-ready]", **options):
        if options.get("width") == USUAL_WIDTH:
            del options["width"]
        if beside:
            page = beside.context.new_page()
        elif options or used:
            page = context(**options).new_page()
        else:
            page = usual_context.new_page()
            used.append(base)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security" in said.text else None)
        page.goto(base + path)
        page.wait_for_selector(ready)
        return page

    yield _visit
    for base in used:
        for page in usual_context.pages:
            page.close()
        # No page of the studio is open, and none saves again what is cleared.
        page = usual_context.new_page()
        page.context.new_cdp_session(page).send("Storage.clearDataForOrigin", {"origin": base, "storageTypes": "all"})
        page.close()
    assert wrong == []


@pytest.fixture
def door(stack):
    """The shared stack behind a door."""
    with Door(httpx.URL(stack.url).port) as door:
        yield door


@pytest.fixture(scope="session")
def violations():
    """Page -> what axe finds wrong with it, by rule and place."""

    def _violations(page):
        page.evaluate(AXE.read_text())
        found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
        return [(rule["id"], node["target"], node["failureSummary"]) for rule in found for node in rule["nodes"]]

    return _violations


@pytest.fixture(scope="session")
def flawless(violations):
    """Asserts that axe finds nothing in a page and that nothing is wider than it; also dark, and at all widths."""

    def _flawless(page, *, everywhere=False):
        usual = page.viewport_size
        for width in WIDTHS if everywhere else (usual["width"],):
            if width != usual["width"]:
                page.set_viewport_size({"width": width, "height": usual["height"]})
            assert (width, page.evaluate(OVERFLOW)) == (width, 0)
        page.set_viewport_size(usual)
        assert violations(page) == []
        if everywhere:
            page.emulate_media(color_scheme="dark")
            assert violations(page) == []
            page.emulate_media(color_scheme="light")

    return _flawless


@pytest.fixture(scope="session")
def queue_of_one(tmp_path_factory, valkey_server, start_api):
    api = start_api(tmp_path_factory.mktemp("api"), valkey_server.url, MAX_QUEUE_LENGTH="1")
    yield api
    api.process.kill()
    api.process.wait()


@pytest.fixture
def full_api(queue_of_one, valkey):
    """An API without workers and jobs, whose queue is full with one job."""
    return queue_of_one


@pytest.fixture(scope="session")
def ask():
    """Fills the form and draws: small and in one step unless said otherwise."""

    def _ask(page, prompt="a red fox", steps=1, count=1, size=64):
        page.fill("#prompt", prompt)
        page.locator(f"#counts input[value='{count}']").check(force=True)
        page.evaluate("document.querySelector('.more').open = true")
        # 64 px is none of the page's own sizes: it is drawn in a tenth of the time.
        page.evaluate("size => document.querySelector('#size').add(new Option(size))", str(size))
        page.select_option("#size", str(size))
        page.fill("#steps", str(steps))
        page.click("#draw")

    return _ask
