"""What goes wrong is said, and mends itself where it can: cut connections, a server that is away, keys, bounds."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
LONG = 50  # steps, of a job that is still drawn when its connection is cut


def step_of(page):
    return int(re.search(r"Step (\d+) of", page.inner_text("#stage .state"))[1])


def test_progress_goes_on_through_a_cut_connection(door, visit, ask, flawless, width):
    page = visit(door.url, width=width)
    ask(page, steps=LONG, size=256)
    expect(page.locator("#stage .state")).to_have_text(re.compile(r"Step \d+ of 50"))
    before = step_of(page)
    with page.expect_response(re.compile("/events$")) as opened:
        door.cut()
    assert opened.value.status == 200
    page.wait_for_function(
        "step => Number(document.querySelector('#stage .state').textContent.match(/Step (\\d+)/)?.[1]) > step",
        arg=before,
    )
    flawless(page)
    page.click("#stage [data-act=cancel]")
    expect(page.locator("#stage .state")).to_have_text("Canceled")


def test_a_server_that_was_away_in_mid_job_shows_the_logo_in_the_end(door, visit, ask, flawless, width):
    page = visit(door.url, width=width)
    ask(page, steps=30)
    expect(page.locator("#stage .state")).to_have_text(re.compile(r"Step \d+ of 30"))
    door.shut()
    expect(page.locator("#stage .state")).to_have_text(re.compile("^No connection"))
    flawless(page)
    door.open()
    page.wait_for_selector("#stage .stage-main")


def test_a_submit_that_found_nobody_is_sent_again_and_is_one_job(stack, door, visit, ask):
    page = visit(door.url)
    door.shut()
    ask(page, "a submit without an answer")
    expect(page.locator("#stage .state")).to_have_text(re.compile("cannot be reached"))
    door.open()
    page.click("#stage [data-act=tryNow]")
    page.wait_for_selector("#stage .stage-main")
    listed = stack.http.get("/api/jobs?limit=100").json()["jobs"]
    assert len([job for job in listed if job["prompt"] == "a submit without an answer"]) == 1


def test_a_submit_that_is_canceled_before_its_answer_is_no_job_that_is_drawn(stack, door, visit, ask):
    page = visit(door.url)
    door.shut()
    ask(page, "what nobody wants")
    expect(page.locator("#stage .state")).to_have_text(re.compile("cannot be reached"))
    page.click("#stage [data-act=cancel]")
    expect(page.locator("#stage .state")).to_have_text("Is being canceled")
    door.open()
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#stage .state")).to_have_text("Canceled")
    listed = stack.http.get("/api/jobs?limit=100").json()["jobs"]
    assert [job["status"] for job in listed if job["prompt"] == "what nobody wants"] == ["canceled"]


def test_a_key_is_asked_for_and_held_for_the_session(new_api, visit, ask, flawless, width):
    page = visit(new_api(API_KEYS="the-key-of-the-studio").url, width=width)
    ask(page)
    page.wait_for_selector("dialog.key")
    flawless(page)
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#key-why")).to_have_text("That key is not known here.")
    page.keyboard.type("the-key-of-the-studio")
    page.keyboard.press("Enter")
    expect(page.locator("#stage .state")).to_have_text(re.compile("^Position 1"))
    assert page.evaluate("Object.values(sessionStorage)") == ["the-key-of-the-studio"]
    assert page.evaluate("Object.keys(localStorage)") == []
    page.reload()
    expect(page.locator(".card .state")).to_have_text(re.compile("^Position 1"))
    assert page.locator("dialog").count() == 0
    # In another session, without the key for now.
    page.evaluate("sessionStorage.clear()")
    page.reload()
    page.wait_for_selector("dialog.key")
    page.keyboard.press("Escape")
    expect(page.locator(".card .state")).to_have_text("This needs an API key.")
    page.get_by_role("button", name="Try now").click()
    page.keyboard.type("the-key-of-the-studio")
    page.keyboard.press("Enter")
    expect(page.locator(".card .state")).to_have_text(re.compile("^Position 1"))


def test_a_full_queue_says_when_it_is_tried_again(full_api, visit, ask, flawless, width):
    page = visit(full_api.url, width=width)
    ask(page)
    expect(page.locator("#stage .state")).to_have_text(re.compile("^Position 1"))
    ask(page, "a green leaf")
    expect(page.locator("#stage .state")).to_have_text(
        re.compile(r"1 jobs are queued, the bound is 1\. Again in \d+ s\.")
    )
    flawless(page)
    # The place is free: the other one is canceled.
    page.locator(".card", has_text="a red fox").get_by_role("button", name="Cancel").click()
    page.click("#stage [data-act=tryNow]")
    expect(page.locator("#stage .state")).to_have_text(re.compile("^Position 1"))


def test_a_job_that_failed_says_why_and_can_be_drawn_again(full_api, visit, ask, flawless, ledger):
    from shared.jobs import Failure  # noqa: PLC0415
    from shared.ledger import moves, reads  # noqa: PLC0415

    page = visit(full_api.url)
    ask(page)
    expect(page.locator("#stage .state")).to_have_text(re.compile("^Position 1"))
    (queued,) = ledger.run(reads.queued())
    ledger.run(moves.fail(queued, code=Failure.OUTPUT_BLACK, message="the drawing was black", ttl_seconds=60))
    expect(page.locator("#stage .state")).to_have_text("Failed: the drawing was black")
    flawless(page)
    page.click("#stage [data-act=drawAgain]")
    expect(page.locator("#stage .state")).to_have_text(re.compile("^Position 1"))
    assert len(ledger.run(reads.queued())) == 1


def test_the_focus_stays_where_a_state_changes(full_api, visit, ask, ledger):
    from shared.ledger import moves, reads  # noqa: PLC0415

    page = visit(full_api.url)
    ask(page)
    expect(page.locator("#stage .state")).to_have_text(re.compile("^Position 1"))
    page.focus("#stage [data-act=cancel]")
    ledger.run(moves.claim(ledger.run(reads.queued())[0], worker="w", delivery="d"))
    expect(page.locator("#stage .state")).not_to_have_text(re.compile("^Position 1"))
    assert page.evaluate("document.activeElement.dataset.act") == "cancel"


def test_what_is_wrong_with_the_form_is_said_at_its_field(stack, visit, flawless):
    page = visit(stack.url)
    page.click("#draw")
    expect(page.locator("#wrong")).to_have_text("Say what the logo shows, in 3 characters or more.")
    flawless(page, everywhere=True)
    assert page.evaluate("document.activeElement.id") == "prompt"
    page.fill("#prompt", "a fox")
    page.evaluate("document.querySelector('.more').open = true")
    page.fill("#steps", "51")
    page.click("#draw")
    expect(page.locator("#wrong")).to_have_text("Steps: from 1 to 50.")
    assert page.evaluate("document.activeElement.id") == "steps"
