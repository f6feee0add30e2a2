"""What was drawn stays in the browser: after a reload, in each of its tabs, and when the server has it no more."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_history_outlives_a_reload_and_the_server(stack, visit, ask, flawless, width):
    page = visit(stack.url, width=width)
    for prompt in ("a red fox", "a green leaf"):
        ask(page, prompt)
        page.wait_for_selector("#stage .stage-main")
    page.reload()
    cards = page.locator(".card")
    expect(cards).to_have_count(2)
    expect(cards.first.locator(".title")).to_have_text("a green leaf")
    page.fill("#search", "FOX")
    expect(cards).to_have_count(1)
    # Its picture is this browser's own.
    assert page.locator(".card img").evaluate("image => image.src").startswith("blob:")
    page.click(".card .open")
    page.wait_for_selector("#stage .stage-main")
    link = page.url
    stack.http.delete(f"/api{link.removeprefix(stack.url)}?forget=true")
    page.reload()
    expect(page.locator("#stage .state")).to_have_text("The server no longer has this job.")
    flawless(page)
    page.click("[data-act=drawAgain]")
    page.wait_for_selector("#stage .stage-main")
    page.click("[data-act=forget]")
    expect(cards).to_have_count(2)


def test_a_job_goes_on_through_a_reload(stack, visit, ask):
    page = visit(stack.url)
    ask(page, steps=50, size=256)
    expect(page.locator("#stage .state")).to_have_text(re.compile(r"Step \d+ of 50"))
    page.reload()
    expect(page.locator(".card .state")).to_have_text(re.compile(r"Step \d+ of 50"))
    page.click(".card .open")
    expect(page.locator("#stage .state")).to_have_text(re.compile(r"Step \d+ of 50"))
    page.click("#stage [data-act=cancel]")
    expect(page.locator("#stage .state")).to_have_text("Canceled")


def test_two_tabs_show_the_same(stack, visit, ask, width):
    one = visit(stack.url, width=width)
    other = visit(stack.url, beside=one)
    one.bring_to_front()
    ask(one, "a blue whale")
    expect(other.locator(".card .title")).to_have_text("a blue whale")
    one.wait_for_selector("#stage .stage-main")
    other.bring_to_front()
    expect(other.locator(".card[data-status=succeeded] img")).to_have_count(1)
    other.click(".card .open")
    other.wait_for_selector("#stage .stage-main")
    other.click("[data-act=forget]")
    expect(one.locator(".card")).to_have_count(0)


def test_a_link_opens_a_job_in_another_browser(stack, visit, ask):
    page = visit(stack.url)
    ask(page)
    page.wait_for_selector("#stage .stage-main")
    page.click(".card .open")
    other = visit(stack.url, page.url.removeprefix(stack.url))
    other.wait_for_selector("#stage .stage-main")
    expect(other.locator("#stage-title")).to_have_text("a red fox")
    expect(other.locator(".card .title")).to_have_text(re.compile("a red fox"))
    # Its size is none of the form's own.
    other.click("[data-act=same]")
    assert other.input_value("#size") == "64"
