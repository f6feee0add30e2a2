"""The form against the API: what it asks for, what of an earlier job comes back, and what is said of a refusal."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
FILES = ["webp", "icons"]


def posted(page, act):
    """The body that a click or key sends."""
    with page.expect_request(lambda request: request.method == "POST" and request.url.endswith("/api/jobs")) as asked:
        act()
    return asked.value.post_data_json


def draw(page):
    return posted(page, lambda: page.click("#draw"))


def given_up(page):
    """Cancels what waits, and takes what it asked for into the form."""
    page.click("#stage [data-act=cancel]")
    page.click("#stage [data-act=change]")


def test_each_field_is_asked_for_and_comes_back(full_api, visit):
    page = visit(full_api.url)
    page.fill("#prompt", "a fox head")
    page.locator(".style", has_text="emblem").click()
    for _ in range(2):
        page.click("#colors button:has-text('Add a colour')")
    page.locator("#colors input").nth(1).fill("#aa3311")
    page.fill("#text", "Kaffee Nord")
    page.select_option("#layout", "wordmark")
    page.locator("#aspects input").nth(3).check(force=True)
    page.locator("#counts input[value='2']").check(force=True)
    for name in FILES:
        page.check(f"#{name}")
    page.click(".more summary")
    page.fill("#steps", "3")
    page.fill("#seed", "7")
    page.check("#literal")
    first = draw(page)
    assert first == {
        "prompt": "a fox head",
        "style": "emblem",
        "colors": ["#0a7b83", "#aa3311"],
        "text": "Kaffee Nord",
        "layout": "wordmark",
        "aspect": "3:1",
        "num_images": 2,
        "formats": ["png", "svg", "webp"],
        "transparent": True,
        "icons": True,
        "enhance": False,
        "steps": 3,
        "seed": 7,
    }
    given_up(page)
    assert draw(page) == first
    given_up(page)
    # A ground with a colour is not taken away, also not by a tick that was there before.
    page.click("#colors button:has-text('ground')")
    assert page.locator("#transparent").is_disabled()
    with_ground = draw(page)
    assert with_ground == {name: value for name, value in first.items() if name != "transparent"} | {
        "background_color": "#ffffff"
    }
    # The link says as much as the API does.
    expect(page.locator("#stage .state")).to_have_text(re.compile("^Position 1"))
    page.click(".card >> nth=0 >> .open")
    other = visit(full_api.url, page.url.removeprefix(full_api.url))
    given_up(other)
    said = {name: with_ground[name] for name in ("prompt", "style", "colors", "text", "layout", "background_color")}
    again = draw(other)
    assert again == again | said | {"width": 1776, "height": 592, "num_images": 2}
    assert "sizes" not in again


@pytest.mark.parametrize("sizes", [[64, 96, 128], [2048]], ids=str)
def test_the_sizes_of_another_client_stay(full_api, visit, sizes):
    import httpx  # noqa: PLC0415

    job = httpx.post(f"{full_api.url}/api/jobs", json={"prompt": "a red fox", "sizes": sizes}).json()
    page = visit(full_api.url, f"/jobs/{job['id']}")
    given_up(page)
    assert draw(page)["sizes"] == sizes


def test_the_same_but_keeps_the_shape_and_the_files(stack, visit):
    wanted = {
        "width": 192,
        "height": 64,
        "formats": ["png", "webp", "avif"],
        "transparent": True,
        "style": "emblem",
        "colors": ["#0a7b83"],
        "steps": 2,
        "num_images": 2,
    }
    job = stack.http.post("/api/jobs", json={"prompt": "a red fox"} | wanted).json()
    stack.end_of(job["id"])
    page = visit(stack.url, f"/jobs/{job['id']}")
    page.locator(".variation").nth(1).click()
    page.click("[data-act=same]")
    assert page.locator("#aspects :checked + span").inner_text() == "192 \u00d7 64"
    with page.expect_response(lambda response: response.request.method == "POST") as answered:
        page.click("#draw")
    body = answered.value.request.post_data_json
    assert body.pop("seed") == job["seed"] + 1
    assert body == wanted | {"prompt": "a red fox", "image": job["id"], "image_number": 2, "strength": 0.6}
    assert (answered.value.json()["width"], answered.value.json()["height"]) == (192, 64)
    page.wait_for_selector("#stage .strip")


REFUSALS = {
    "text": ("#text", lambda page: page.fill("#text", "a\u200eb")),
    "layout": ("#layout", lambda page: page.select_option("#layout", "wordmark")),
    "colors": ("#colors", lambda page: (add_colours(page, 2), page.locator("#colors input").nth(1).fill("#0a7b83"))),
    "background_color": ("#colors", lambda page: (add_colours(page, 1), add_ground(page, "#0a7b83"))),
    "sizes": ("#size", lambda page: (page.select_option("#size", "2048"), choose_four(page), page.check("#webp"))),
    "image": ("#source", lambda page: page.set_input_files("#source-file", files=[DAMAGED])),
}
DAMAGED = {"name": "logo.png", "mimeType": "image/png", "buffer": b"\x89PNG and no more"}


def add_colours(page, count):
    for _ in range(count):
        page.click("#colors button:has-text('Add a colour')")


def add_ground(page, value):
    page.click("#colors button:has-text('ground')")
    page.locator("#colors input").last.fill(value)


def choose_four(page):
    page.locator("#counts input[value='4']").check(force=True)


def test_what_the_server_refuses_is_said_at_its_field(full_api, visit):
    page = visit(full_api.url)
    for field, (place, fill) in REFUSALS.items():
        page.evaluate("document.querySelector('.more').open = true")
        page.fill("#prompt", f"a fox with a wrong {field}")
        fill(page)
        page.click("#draw")
        expect(page.locator("#wrong")).to_have_text(re.compile(f"^{field}: "))
        expect(page.locator(f"{place}.invalid, {place}[aria-invalid=true]")).to_have_count(1)
        assert page.evaluate("place => document.querySelector(place).contains(document.activeElement)", place), field
        expect(page.locator("#stage .state")).to_have_text(re.compile(f"^{field}: "))
        page.type("#prompt", ".")
        expect(page.locator("#wrong")).to_have_text("")
        assert page.locator(".invalid, [aria-invalid=true]").count() == 0
        page.reload()
        page.wait_for_selector("html[data-ready]")


def test_a_proxy_that_takes_less_is_no_riddle(full_api, visit):
    page = visit(full_api.url)
    # As nginx answers by itself.
    page.route("**/api/jobs", lambda route: route.fulfill(status=413, body="<html>413 Request Entity Too Large</html>"))
    page.fill("#prompt", "a red fox")
    page.set_input_files("#source-file", files=[DAMAGED])
    page.click("#draw")
    expect(page.locator("#stage .state")).to_have_text("That is more than the server takes.")
    page.unroute("**/api/jobs")
    # What failed comes back with its image.
    page.click("#stage [data-act=change]")
    assert page.inner_text("#source .grow") == "logo.png"


def test_text_that_is_dropped_is_no_image(full_api, visit):
    page = visit(full_api.url)
    taken = page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.setData("text/plain", "a red fox");
            return !document.dispatchEvent(new DragEvent("drop", {dataTransfer: data, cancelable: true}));
        }"""
    )
    assert taken is False
    assert page.locator("#source .wrong").count() == 0
