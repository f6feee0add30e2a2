"""A logo is made on the page: drawn, looked at, compared, saved; on a phone and on a desk."""

import hashlib
import io

import httpx
import pytest
from PIL import Image
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [390, 1280])
def test_what_is_saved_is_what_the_api_has(stack, visit, ask, flawless, width):
    page = visit(stack.url, width=width)
    flawless(page)
    ask(page, steps=2, size=256)
    page.wait_for_selector("#stage .stage-main")
    flawless(page)
    page.click(".card .open")
    job = httpx.get(f"{stack.url}/api{page.url.removeprefix(stack.url)}").json()
    names = ["256.png", "256-transparent.png", "logo.svg"]
    assert [row.get_attribute("data-name") for row in page.locator(".files li").all()] == names
    for name in names:
        with page.expect_download() as saved:
            page.click(f".files li[data-name='{name}'] button:has-text('Download')")
        assert saved.value.suggested_filename == f"a-red-fox-{name}"
        of_api = httpx.get(f"{stack.url}/api/jobs/{job['id']}/images/{name}").content
        assert hashlib.sha256(saved.value.path().read_bytes()).digest() == hashlib.sha256(of_api).digest()


def test_four_variations_and_two_side_by_side(stack, visit, ask, flawless, width):
    page = visit(stack.url, width=width, permissions=["clipboard-read", "clipboard-write"])
    ask(page, count=4)
    page.wait_for_selector("#stage .stage-main")
    flawless(page, everywhere=width == 1280)
    variations = page.locator(".variation")
    assert variations.count() == 4
    variations.nth(2).click()
    assert page.locator(".files li").first.get_attribute("data-name") == "64-3.png"
    page.click("[data-act=compareShort]")
    page.locator(".variation").nth(0).click()
    page.click("[data-act=compareShort]")
    page.click("#compare")
    assert page.locator(".sides figure").count() == 2
    page.locator(".compare input[value=dark]").check(force=True)
    assert page.locator(".sides .canvas.dark").count() == 2
    flawless(page)
    page.keyboard.press("Escape")
    page.click(".files li[data-name='64.png'] button:has-text('Data URL')")
    page.wait_for_function(
        "() => navigator.clipboard.readText().then(text => text.startsWith('data:image/png;base64,iVBOR'))"
    )
    expect(page.locator("#live.toast")).to_have_text("Copied")


def test_by_keyboard_alone(stack, visit, width):
    page = visit(stack.url, width=width)

    def tab_to(selector):
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"no Tab leads to {selector}")

    tab_to("#prompt")
    page.keyboard.type("a blue whale")
    tab_to(".more summary")
    page.keyboard.press("Enter")
    tab_to("#size")
    page.keyboard.press("ArrowUp")
    tab_to("#steps")
    page.keyboard.type("1")
    tab_to("#draw")
    page.keyboard.press("Enter")
    page.wait_for_selector("#stage .stage-main")
    tab_to("[name=ground]")
    page.keyboard.press("ArrowRight")
    assert page.locator(".look .canvas.dark").count() == 1
    tab_to(".card .open")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "stage-title"
    assert "/jobs/" in page.url
    tab_to("[data-act=close]")
    page.keyboard.press("Enter")
    assert page.url == f"{stack.url}/"
    assert page.locator("#stage").is_hidden()
    assert page.evaluate("document.activeElement.id") == "results"


def test_the_same_but_and_more_like_this_fill_the_form(stack, visit, ask):
    page = visit(stack.url)
    ask(page, "a green leaf")
    page.wait_for_selector("#stage .stage-main")
    seed = page.inner_text(".facts").split()[1]
    page.fill("#prompt", "")
    page.click("[data-act=same]")
    assert (page.input_value("#prompt"), page.input_value("#seed")) == ("a green leaf", seed)
    assert page.get_attribute("#lock", "aria-pressed") == "true"


def test_german_by_the_browsers_language_and_dark(stack, visit, flawless):
    page = visit(stack.url, locale="de-DE", color_scheme="dark")
    assert page.inner_text("h1") == "Was soll das Logo zeigen?"
    assert page.evaluate("document.documentElement.lang") == "de"
    assert page.title() == "Logo-Studio"
    assert page.get_attribute("#dice", "title") == "Anderer Seed"
    flawless(page, everywhere=True)


def test_the_page_weighs_less_than_120_kilobytes(stack, visit, context):
    page = context().new_page()
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    sizes = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto(stack.url)
    page.wait_for_selector("html[data-ready]")
    assert 0 < sum(sizes) <= 120_000


@pytest.mark.slow
def test_the_reference_is_shown_by_this_servers_files(stack, visit):
    page = visit(stack.url, "/docs", ready=".opblock")
    page.click("#operations-jobs-submit_job .opblock-summary")
    page.wait_for_selector("#operations-jobs-submit_job .opblock-body")


@pytest.mark.slow
def test_redoc_is_shown_without_the_picture_that_it_has_elsewhere(stack, context):
    page = context().new_page()
    elsewhere = set()
    page.on("request", lambda request: elsewhere.add(request.url) if not request.url.startswith(stack.url) else None)
    # What the page's policy blocks never leaves the browser.
    page.on("requestfailed", lambda request: elsewhere.discard(request.url) if request.failure == "csp" else None)
    page.goto(f"{stack.url}/redoc")
    page.wait_for_selector("[data-section-id]")
    page.wait_for_load_state("networkidle")
    assert [url for url in elsewhere if not url.startswith(("blob:", "data:"))] == []


def test_the_same_but_from_a_dropped_file(stack, visit, ask, flawless, width):
    page = visit(stack.url, width=width)
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (220, 38, 38)).save(buffer, "PNG")
    page.evaluate(
        """bytes => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "mine.png", {type: "image/png"}));
            document.dispatchEvent(new DragEvent("drop", {dataTransfer: data, cancelable: true}));
        }""",
        list(buffer.getvalue()),
    )
    assert page.inner_text("#source .grow") == "mine.png"
    page.wait_for_function("() => document.querySelector('#source img').naturalWidth === 64")
    flawless(page)
    page.fill("#strength", "0.35")
    with page.expect_response(lambda response: response.request.method == "POST") as posted:
        ask(page, "a blue fox", steps=4)
    assert posted.value.status == 202
    assert posted.value.url == f"{stack.url}/api/jobs"
    assert posted.value.request.headers["content-type"].startswith("multipart/form-data; boundary=")
    job = posted.value.json()
    assert (job["prompt"], job["strength"], job["sizes"]) == ("a blue fox", 0.35, [64])
    page.wait_for_selector("#stage .stage-main")
    assert page.locator("#stage-title").inner_text() == "a blue fox"
    # What is dropped and no image is said.
    page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File(["a text"], "mine.txt", {type: "text/plain"}));
            document.dispatchEvent(new DragEvent("drop", {dataTransfer: data, cancelable: true}));
        }"""
    )
    expect(page.locator("#source .wrong")).to_be_visible()
    # "More like this" starts from it too.
    with page.expect_response(lambda response: response.request.method == "POST") as posted:
        page.click("[data-act=like]")
    assert (posted.value.status, posted.value.json()["strength"]) == (202, 0.35)
    expect(page.locator(".variation")).to_have_count(4)
