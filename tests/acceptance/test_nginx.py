"""The API below a path of another host, behind nginx as docs/deployment.md has it."""

import base64
import io
import os
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from PIL import Image

from shared.ledger import moves
from shared.results import places
from shared.results.redis_store import RedisResults
from shared.stack.ports import free_port

pytestmark = pytest.mark.nginx
ROOT = Path(__file__).parents[2]
BODY = {"prompt": "a red fox", "sizes": [64]}
LOADED = re.compile(r"""(?:src|href|url)["']?[=:] *["']?([^"'#>\s]+\.(?:js|css|svg|png|ico|json)[^"'>\s]*)""")


@pytest.fixture
def behind(new_api, tmp_path):
    """The API's URL below /logo of a host that nginx serves."""
    api, port = new_api(ROOT_PATH="/logo", PREVIEWS="true"), free_port()
    (location,) = re.findall(r"location /logo/ \{.*?\}", (ROOT / "docs/deployment.md").read_text(), re.DOTALL)
    folders = " ".join(
        f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    conf = tmp_path / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""  # who may read the test's folder
    server = f"listen 127.0.0.1:{port}; {location.replace('127.0.0.1:7860', f'127.0.0.1:{api.port}')}"
    conf.write_text(
        f"{user} daemon off; pid {tmp_path}/nginx.pid; error_log stderr; worker_processes 1; events {{}}\n"
        f"http {{ access_log off; {folders} server {{ {server} }} }}\n"
    )
    # Debian has it where only root looks.
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    process = subprocess.Popen([program, "-e", "stderr", "-p", tmp_path, "-c", conf])
    try:
        with httpx.Client(transport=httpx.HTTPTransport(retries=8), base_url=f"http://127.0.0.1:{port}/logo") as http:
            yield http
    finally:
        process.terminate()
        process.wait(20)


def succeed(ledger, client, job_id, image):
    ledger.run(moves.claim(job_id, worker="w", delivery="d"))
    ledger.run(moves.finish(job_id, 1, width=8, height=8, model="m"))
    RedisResults(client).put(places.images(job_id, 1), {"64": base64.b64encode(image).decode()}, 3600)
    ledger.run(moves.succeed(job_id, 1, images_ttl_seconds=3600, ttl_seconds=3600))


def test_a_job_and_its_image_are_had_by_the_urls_of_the_answers(behind, ledger, client):
    job = behind.post("/api/jobs", json=BODY).raise_for_status().json()
    assert job["urls"]["self"].startswith("/logo/api/jobs/")
    host = str(behind.base_url).removesuffix("/logo/")
    image = picture((64, 64))
    with behind.stream("GET", host + job["urls"]["events"]) as events:
        lines = events.iter_lines()
        assert next(line for line in lines if line.startswith("data:"))  # none is held back
        succeed(ledger, client, job["id"], image)
        assert any(line == "event: done" for line in lines)
    done = httpx.get(host + job["urls"]["self"]).raise_for_status().json()
    assert httpx.get(host + done["urls"]["images"]["64"]).raise_for_status().content == image


@pytest.mark.parametrize("page", ["", "/docs", "/redoc", "/watch"])
def test_every_page_finds_what_it_loads(behind, page):
    shown = behind.get(page or "/", headers={"Accept": "text/html"}).raise_for_status()
    loaded = LOADED.findall(shown.text)
    assert loaded
    for address in loaded:
        assert httpx.get(shown.url.join(address)).is_success, address


def test_an_image_as_large_as_the_api_takes_comes_through(behind):
    data = picture((1280, 1280))
    assert 4 * 2**20 < len(data) < 8 * 2**20
    answer = behind.post("/api/jobs", data={"prompt": "the same"}, files={"image": ("a.png", data, "image/png")})
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")


def picture(size):
    buffer = io.BytesIO()
    Image.frombytes("RGB", size, os.urandom(3 * size[0] * size[1])).save(buffer, "PNG")
    return buffer.getvalue()
