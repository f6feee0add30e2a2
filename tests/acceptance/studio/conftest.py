"""Chromium on the studio of the shared stack. A page that logs an error or breaks its own policy fails its test."""

import shutil
from pathlib import Path

import httpx
import pytest
from door import Door
from playwright.sync_api import expect, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
AXE = Path(__file__).parent / "axe.min.js"
# A busy machine draws slowly.
PATIENCE_MS = 120_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def browser():
    """Of one module: while its driver runs, no test of another may start an event loop in this process."""
    path = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if path is None:
        pytest.fail(
            f"no browser: install Debian's package chromium, or leave this out with -m 'not browser' {BROWSERS}"
        )
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def context(browser):
    made = []

    def new(width=1280, **options):
        height = 844 if width < 600 else 900
        context = browser.new_context(
            **{"viewport": {"width": width, "height": height}, "locale": "en-GB", "accept_downloads": True} | options
        )
        context.set_default_timeout(PATIENCE_MS)
        made.append(context)
        return context

    yield new
    for context in made:
        context.close()


@pytest.fixture
def visit(context):
    """(base URL, path) -> a page of the studio that is ready, in a context of its own or in that of another page."""
    wrong = []

    def _visit(base, path="/", beside=None, ready="html[data-ready]", **options):
        page = (beside.context if beside else context(**options)).new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security" in said.text else None)
        page.goto(base + path)
        page.wait_for_selector(ready)
        return page

    yield _visit
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
