"""The command line client on a bad network, and against a server that answers wrongly."""

import argparse
import base64
import datetime as dt
import io
import json
import os
import subprocess
import sys
from email.utils import format_datetime

import httpx
import pytest
from PIL import Image
from rich.console import Console

from api import return_times
from api.client import check, drawing
from api.client.__main__ import _parser
from api.client.saving import save
from api.client.server import MAX_PAUSE_SECONDS, TRIES, Refused, Server
from shared.outputs import Outputs
from shared.schemas import JobRequest
from shared.stack import demo

JOB = {"id": "1", "seed": 1, "status": "queued", "progress": {"step": 0, "steps": None, "fraction": 0}}
JOB |= {"queue_position": 1, "eta_seconds": None, "error": None}


@pytest.fixture
def pauses(monkeypatch):
    found = []
    monkeypatch.setattr("time.sleep", found.append)
    return found


@pytest.fixture
def answered():
    """A server that collects its requests; `answer` returns the response, or raises."""
    made = []

    def _answered(answer):
        server, asked = Server("http://t", None), []

        def handle(request):
            asked.append(request)
            return answer(request)

        server._http.close()
        server._http = httpx.Client(base_url="http://t", transport=httpx.MockTransport(handle))
        made.append(server)
        return server, asked

    yield _answered
    for server in made:
        server._http.close()


def png(size):
    buffer = io.BytesIO()
    Image.new("RGB", (size, size)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_passes_is_asked_again(answered, pauses, status):
    soon = format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=5), usegmt=True)
    told = iter(["3", soon, "9999", "soon"])

    def answer(_):
        value = next(told, None)
        return httpx.Response(status, headers={"Retry-After": value}) if value else httpx.Response(200, json=JOB)

    server, asked = answered(answer)
    assert server.submit({}, "k") == JOB
    assert {request.headers["Idempotency-Key"] for request in asked} == {"k"}
    assert [round(pause) for pause in pauses] in ([3, 5, 90, 1], [3, 4, 90, 1])


def test_it_stays_away_for_as_long_as_a_busy_server_asks():
    assert MAX_PAUSE_SECONDS >= return_times.MOST_SECONDS


def test_the_apps_call_is_asked_once(answered, pauses):
    server, asked = answered(lambda _: httpx.Response(503, headers={"Retry-After": "1"}))
    with pytest.raises(Refused):
        server.json("POST", "/api/generate_logo", json={})

    def cut(_):
        raise httpx.ReadError("cut")

    cut_off, asked_then = answered(cut)
    with pytest.raises(httpx.ReadError):
        cut_off.json("POST", "/api/generate_logo", json={})
    assert (len(asked), len(asked_then), pauses) == (1, 1, [])
    with pytest.raises(httpx.ReadError):
        cut_off.job("1")
    assert len(asked_then) == 1 + TRIES


def test_ctrl_c_during_the_submit_names_the_key(answered):
    def interrupted(_):
        raise KeyboardInterrupt

    server, asked = answered(interrupted)
    arguments = argparse.Namespace(resume=None, key=None, prompt="fox", sizes=(64,), seed=None, steps=None)
    console = Console(file=io.StringIO())
    with pytest.raises(KeyboardInterrupt):
        drawing.run(server, arguments, console)
    assert f"--key {asked[0].headers['Idempotency-Key']} " in console.file.getvalue()


def test_a_job_that_is_not_followed_is_looked_at_every_few_seconds(answered):
    states = iter(["running", "succeeded", "succeeded"])
    server, asked = answered(lambda _: httpx.Response(200, json=JOB | {"status": next(states)}))
    assert drawing.watch(server, dict(JOB), Console(file=io.StringIO()), follow=False)["status"] == "succeeded"
    assert {float(request.url.params["wait"]) for request in asked[:2]} == {2}


def test_events_that_it_does_not_know_are_skipped(answered):
    told = [("preview", {"image": "/9j/4A=="}), ("progress", JOB["progress"] | {"queue_position": None})]
    told.append(("done", JOB | {"status": "succeeded"}))
    text = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in told)

    def answer(request):
        if request.url.path.endswith("/events"):
            return httpx.Response(200, text=text)
        return httpx.Response(200, json=JOB | {"status": "succeeded"})

    server, asked = answered(answer)
    assert drawing.watch(server, dict(JOB), Console(file=io.StringIO()), follow=True)["status"] == "succeeded"
    assert len(asked) == 2  # the stream, and the job at its end


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (png(256), None),
        (png(255), "has 255x255"),
        (png(256)[:-8], "no whole PNG"),
        ("iVBORw0KGgo...", "not base64"),
    ],
)
def test_the_apps_image_is_looked_at(answered, tmp_path, image, told):
    server, _ = answered(lambda _: httpx.Response(200, json={"images": {"256": image}}))
    if told is None:
        check._app(server, tmp_path)
        assert (tmp_path / "app-256.png").read_bytes() == base64.b64decode(image)
    else:
        with pytest.raises(check.Failed, match=told):
            check._app(server, tmp_path)


def drawn(prompt, images, variations=()):
    """A job and the answers to its images' URLs."""
    urls = [{size: f"/{index}/{size}" for size in each} for index, each in enumerate((images, *variations))]
    answers = {
        url: each[size] for each, found in zip((images, *variations), urls, strict=True) for size, url in found.items()
    }
    listed = [{"seed": n, "images": None, "urls": each} for n, each in enumerate(urls)] if variations else []
    job = JOB | {"status": "succeeded", "prompt": prompt, "urls": {"images": urls[0]}, "variations": listed}
    return job | {"timings": {}, "expires_at": "soon"}, lambda request: httpx.Response(
        200, content=answers[request.url.path]
    )


@pytest.mark.parametrize(
    ("prompt", "stem"),
    [
        ("a Red fox, (geometric)!", "a-red-fox-geometric"),
        ("一只红色的狐狸", "一只红色的狐狸"),
        ("Красная лиса", "красная-лиса"),
        ("लाल लोमड़ी", "लाल-लोमड़ी"),
        ("\U0001f98a", "logo"),
        ("../../etc/passwd\0", "etc-passwd"),
        ("狐" * 500, "狐" * 40),
    ],
)
def test_files_are_named_in_the_prompts_own_letters(answered, tmp_path, prompt, stem):
    job, answer = drawn(prompt, {"64": b"a"})
    assert [path.name for path in save(answered(answer)[0], job, tmp_path)] == [f"{stem}-64.png"]


def test_a_locale_that_knows_no_other_letters_costs_no_image(tmp_path):
    code = """
import sys, pathlib
from api.client.saving import _stem, save_images
save_images({"256.png": b"image"}, _stem("a \\u7ea2\\u8272 Fox"), pathlib.Path(sys.argv[1]))
"""
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-c", code, tmp_path], env=os.environ | ascii_only, check=True)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a-fox-256.png", b"image")]


def test_no_file_is_ever_overwritten(answered, tmp_path):
    jobs = [("狐狸", {"64": b"a", "128": b"b"}), ("狐狸", {"64": b"a", "128": b"c"}), ("\U0001f98a", {"64": b"d"})]
    jobs += [("狐狸", {"64": b"a", "128": b"b"}), ("\U0001f981", {"64": b"e"})]
    for prompt, images in jobs:
        job, answer = drawn(prompt, images)
        save(answered(answer)[0], job, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "狐狸-64.png": b"a",
        "狐狸-128.png": b"b",
        "狐狸-2-64.png": b"a",
        "狐狸-2-128.png": b"c",
        "logo-64.png": b"d",
        "logo-2-64.png": b"e",
    }


def test_every_variation_is_saved(answered, tmp_path):
    job, answer = drawn("fox", {"64": b"a"}, [{"64": b"b"}, {"64": b"c"}])
    saved = save(answered(answer)[0], job, tmp_path)
    assert {path.name: path.read_bytes() for path in saved} == {
        "fox-64.png": b"a",
        "fox-64-variation-2.png": b"b",
        "fox-64-variation-3.png": b"c",
    }


@pytest.mark.parametrize("key", ["ein-schlüssel", " the-key\n"])
def test_a_key_is_sent_as_the_server_reads_it(key):
    with Server("http://t", key) as server:
        assert server._http.headers.raw[-1] == (b"X-API-Key", key.strip().encode())


@pytest.mark.parametrize(("url", "key"), [("http://[::1", None), ("http://t:port", None), ("http://t", "\udcfc")])
def test_what_cannot_be_sent_is_said(url, key):
    with pytest.raises(Refused):
        Server(url, key)


@pytest.mark.parametrize("url", ["localhost:7860", "127.0.0.1:7860", "logos.example"])
def test_a_url_without_a_scheme_is_http(url):
    with Server(url, None) as server:
        assert str(server._http.base_url) == f"http://{url}"


def test_what_is_left_on_the_server_is_said(answered, tmp_path, pauses):
    job, _ = drawn("fox", {"64": b"a"})
    out = tmp_path / "out"
    out.write_text("a file")
    arguments = argparse.Namespace(resume="1", follow=False, out=out)
    console = Console(file=io.StringIO())

    def answer(request):
        return httpx.Response(200, json=job) if request.url.path == "/api/jobs/1" else httpx.Response(200, content=b"a")

    server, _ = answered(answer)
    with pytest.raises(FileExistsError):
        drawing.run(server, arguments, console)
    assert "--resume 1" in console.file.getvalue()


def test_a_server_that_goes_away_leaves_the_jobs_name(answered, pauses):
    answers = iter([httpx.Response(200, json=JOB)])

    def answer(_):
        if response := next(answers, None):
            return response
        raise httpx.ConnectError("gone")

    server, _ = answered(answer)
    console = Console(file=io.StringIO())
    with pytest.raises(httpx.ConnectError):
        drawing.run(server, argparse.Namespace(resume="1", follow=False), console)
    assert "--resume 1" in console.file.getvalue()


def test_every_file_is_saved_beside_the_pngs_and_none_is_overwritten(answered, tmp_path):
    job, answer = drawn("fox", {"64": b"a"}, [{"64": b"b"}])
    data = {"64-transparent.png": b"t", "logo.svg": b"<svg/>", "logo-2.svg": b"<svg />", "icons.zip": b"PK"}
    job["files"] = [{"name": name, "url": f"/files/{name}"} for name in data]

    def answer_all(request):
        name = request.url.path.removeprefix("/files/")
        return httpx.Response(200, content=data[name]) if name in data else answer(request)

    saved = save(answered(answer_all)[0], job, tmp_path)
    expected = {"fox-64.png": b"a", "fox-64-variation-2.png": b"b"} | {f"fox-{name}": data[name] for name in data}
    assert {path.name: path.read_bytes() for path in saved} == expected
    data["logo.svg"] = b"another"
    again = save(answered(answer_all)[0], job, tmp_path)
    assert {path.name for path in again} == {name.replace("fox-", "fox-2-") for name in expected}
    assert (tmp_path / "fox-logo.svg").read_bytes() == b"<svg/>"


def test_the_flags_of_the_outputs_are_the_requests_fields(answered, tmp_path, monkeypatch):
    flags = [
        "--format",
        "webp,svg",
        "--quality",
        "80",
        "--transparent",
        "--holes",
        "cut",
        "--icons",
        "--variations",
        "2",
    ]
    saved = tmp_path / "saved.txt"
    monkeypatch.setattr("sys.argv", ["client", "fox", *flags, "--saved", str(saved), "--out", str(tmp_path)])
    arguments = _parser().parse_args()
    job, answer = drawn("fox", {"64": b"a"})
    job["warnings"] = [{"code": "svg_failed", "message": "no logo.svg [bold]"}]
    sent = []

    def answer_all(request):
        if request.method == "POST":
            sent.append(json.loads(request.content))
        return httpx.Response(200, json=job) if request.url.path.startswith("/api") else answer(request)

    console = Console(file=io.StringIO())
    assert drawing.run(answered(answer_all)[0], arguments, console)
    assert sent == [
        {"prompt": "fox", "sizes": [256, 512], "num_images": 2, "formats": ["webp", "svg"], "quality": 80}
        | {"transparent": True, "holes": "cut", "icons": True}
    ]
    assert JobRequest(**sent[0]).outputs == Outputs(("webp", "svg"), 80, transparent=True, holes="cut", icons=True)
    assert "svg_failed: no logo.svg [bold]" in console.file.getvalue()
    assert saved.read_text() == f"{tmp_path / 'fox-64.png'}\n"


def test_without_flags_the_request_is_as_before(monkeypatch):
    monkeypatch.setattr("sys.argv", ["client", "fox"])
    assert drawing._body(_parser().parse_args()) == {"prompt": "fox", "sizes": [256, 512]}


@pytest.mark.parametrize(
    ("flags", "body"),
    [
        (["--aspect", "3:1"], {"aspect": "3:1"}),
        (["--width", "1536", "--height", "512"], {"width": 1536, "height": 512}),
        (["--image", "an-id", "--strength", "0"], {"image": "an-id", "strength": 0}),
        (["--image", "an-id", "--sizes", "64"], {"image": "an-id", "sizes": [64]}),
    ],
)
def test_a_shape_and_an_image_take_the_place_of_the_usual_sizes(monkeypatch, flags, body):
    monkeypatch.setattr("sys.argv", ["client", "fox", *flags])
    assert drawing._body(_parser().parse_args()) == {"prompt": "fox"} | body


def test_a_file_is_sent_as_a_form(monkeypatch, answered, tmp_path):
    (tmp_path / "logo.png").write_bytes(b"\x89PNG")
    flags = ["--image", str(tmp_path / "logo.png"), "--strength", "0.5", "--format", "png,webp"]
    monkeypatch.setattr("sys.argv", ["client", "fox", *flags])
    server, asked = answered(lambda _: httpx.Response(200, json=JOB))
    drawing._submit(server, _parser().parse_args(), Console(file=io.StringIO()))
    sent = asked[0].content
    assert asked[0].headers["Content-Type"].startswith("multipart/form-data")
    for part in (
        b'name="prompt"\r\n\r\nfox',
        b'name="strength"\r\n\r\n0.5',
        b'\r\n\r\n["png", "webp"]',
        b'filename="logo.png"',
    ):
        assert part in sent
    assert b"image/png\r\n\r\n\x89PNG" in sent


def test_the_flags_of_the_design_are_the_requests_fields(monkeypatch):
    """A colour may be without its #, which begins a comment in a shell."""
    flags = ["--style", "emblem", "--colors", "0A7B83,#F2A541", "--background-color=#FFFFFF", "--text", "Kaffee Nord"]
    monkeypatch.setattr("sys.argv", ["client", *flags, "--layout", "wordmark", "fox"])
    asked = JobRequest(**drawing._body(_parser().parse_args()))
    assert (asked.style, asked.text, asked.layout) == ("emblem", "Kaffee Nord", "wordmark")
    assert (asked.colors, asked.background_color) == (["#0a7b83", "#f2a541"], "#ffffff")


def test_the_demos_variables_are_the_clients_flags(monkeypatch):
    """A background takes the place of transparency, which contradicts it."""
    env = {"STYLE": "emblem", "COLORS": "#0A7B83", "BACKGROUND": "#FFFFFF", "TEXT": "-x-", "LAYOUT": ""}
    monkeypatch.setattr("sys.argv", ["client", *demo._design(env), "--", "fox"])
    asked = JobRequest(**drawing._body(_parser().parse_args()))
    assert (asked.style, asked.colors, asked.background_color) == ("emblem", ["#0a7b83"], "#ffffff")
    assert (asked.text, asked.transparent) == ("-x-", False)
    assert demo._design({"STYLE": ""}) == ["--transparent"]
