"""/watch on the real stack: what is drawn is shown, and an operator holds a worker back without losing anything."""

import os
import re
import signal

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
KEY = "the-key-of-an-operator"


@pytest.fixture
def watch(stack, visit):
    def _watch(**options):
        page = visit(stack.url, "/watch", **options)
        page.click("#operator")
        page.fill("#key", KEY)
        page.keyboard.press("Enter")
        page.wait_for_selector("#audit-part:not([hidden])")
        return page

    return _watch


def test_figures_are_for_everybody_and_actions_are_not(stack, visit, violations):
    page = visit(stack.url, "/watch", width=390)
    expect(page.locator(".worker")).to_have_count(1)
    assert page.locator(".worker button").count() == 0
    assert page.locator("#audit-part").is_hidden()
    assert (violations(page), page.evaluate("document.documentElement.scrollWidth")) == ([], 390)
    page.click("#operator")
    page.fill("#key", "wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#fresh")).to_have_text("That key is not known here.")


def test_a_paused_worker_draws_nothing_until_it_is_resumed(stack, watch, flawless):
    page = watch()
    worker = page.locator(".worker")
    worker.get_by_role("button", name="Pause").click()
    expect(worker.locator(".pill")).to_have_text("paused")
    flawless(page, everywhere=True)
    job = stack.submit(steps=1)
    expect(page.locator("#queue tbody tr")).to_have_count(1)
    # Its messages are let lie, and the queue is the ledger's.
    stack.wait_until(lambda: stack.events(event="worker.held"))
    assert stack.get(job["id"])["status"] == "queued"
    worker.get_by_role("button", name="Resume").click()
    assert stack.end_of(job["id"])["status"] == "succeeded"
    expect(page.locator("#ends tbody tr").first).to_contain_text(job["id"][:8])
    expect(page.locator("#audit tbody tr").first).to_contain_text(re.compile("resume.*moved"))


def test_any_job_is_canceled_where_it_is_drawn(stack, watch):
    page = watch()
    job = stack.submit(steps=50, sizes=[256])
    page.get_by_role("button", name=f"Cancel job: {job['id']}").click()
    assert stack.end_of(job["id"])["status"] == "canceled"
    expect(page.locator("#audit tbody tr").first).to_contain_text(job["id"])
    assert len(stack.events(event="operator.acted", target=job["id"])) == 1


def test_figures_that_are_old_say_so(full_api, visit, flawless):
    page = visit(full_api.url, "/watch")
    expect(page.locator("#fresh")).to_have_text("")
    os.kill(full_api.process.pid, signal.SIGSTOP)
    try:
        expect(page.locator("#fresh")).to_have_text(re.compile(r"The figures are \d+ s old\."))
    finally:
        os.kill(full_api.process.pid, signal.SIGCONT)
    expect(page.locator("#fresh")).to_have_text("")
    flawless(page, everywhere=True)


def test_an_answer_that_comes_late_is_old(full_api, visit):
    """What came to be since it was asked for is not in it."""
    page = visit(full_api.url, "/watch")
    expect(page.locator("#fresh")).to_have_text("")

    def late(route):
        answer = route.fetch()
        page.wait_for_timeout(2100)
        route.fulfill(response=answer)

    page.evaluate("""() => {
      window.told = [];
      new MutationObserver(() => told.push(document.querySelector("#fresh").textContent))
        .observe(document.querySelector("#fresh"), {childList: true, characterData: true, subtree: true});
    }""")
    page.route("**/watch/figures", late)
    with page.expect_response("**/watch/figures"), page.expect_response("**/watch/figures"):
        pass
    page.wait_for_function("told.length")
    assert "" not in page.evaluate("told")
    page.unroute_all(behavior="ignoreErrors")


@pytest.mark.slow
def test_a_drained_worker_ends_its_job_and_comes_back_anew(stack, watch):
    page = watch()
    (before,) = [worker["name"] for worker in stack.workers()]
    job = stack.submit(steps=8)
    stack.wait_until(lambda: stack.get(job["id"])["status"] == "running")
    page.get_by_role("button", name=f"Drain: {before}").click()
    assert (stack.end_of(job["id"])["status"], stack.get(job["id"])["attempt"]) == ("succeeded", 1)
    stack.wait_until(lambda: [(w["name"] != before, w["ready"]) for w in stack.workers()] == [(True, True)])
    assert stack.end_of(stack.submit(steps=1)["id"])["status"] == "succeeded"
