"""The command line client against the stack: it draws, comes back to a job, checks a server; its exit codes."""

import io
import re
import signal
import subprocess
import sys

import pytest
from PIL import Image

START = [sys.executable, "-m", "api.client"]


@pytest.fixture
def run(stack, tmp_path):
    def _run(*words, url=stack.url):
        command = [*START, *words, "--url", url, "--out", str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return _run


def images(directory):
    return {path.name: Image.open(io.BytesIO(path.read_bytes())).size for path in directory.glob("*.png")}


def test_it_follows_a_job_and_saves_its_images(run, tmp_path):
    result = run("a leaf", "--sizes", "64,128", "--steps", "2", "--follow")
    assert (result.returncode, "succeeded" in result.stdout) == (0, True), result.stdout
    assert images(tmp_path) == {"a-leaf-64.png": (64, 64), "a-leaf-128.png": (128, 128)}


def test_a_terminal_that_knows_no_other_letters_costs_no_image(run, stack, tmp_path, monkeypatch):
    for name, value in {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}.items():
        monkeypatch.setenv(name, value)
    result = run("a 红色 fox", "--sizes", "64", "--steps", "1")
    assert result.returncode == 0, result.stdout + result.stderr
    assert images(tmp_path) == {"a-fox-64.png": (64, 64)}
    assert stack.http.get("/api/jobs", params={"limit": 1}).json()["jobs"][0]["prompt"] == "a 红色 fox"


def test_it_comes_back_after_ctrl_c(stack, run, tmp_path):
    # A shell starts background processes with SIGINT ignored.
    start = ["env", "--default-signal=INT", *START]
    command = [*start, "a leaf", "--sizes", "512", "--steps", "50", "--follow", "--url", stack.url]
    client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1)
    job_id = re.match("job (\\S+)", client.stdout.readline())[1]
    client.send_signal(signal.SIGINT)
    assert f"--resume {job_id}" in client.communicate(timeout=20)[0]
    assert client.returncode == 130
    stack.http.delete(f"/api/jobs/{job_id}")
    assert (run("--resume", job_id).returncode, images(tmp_path)) == (1, {})
    done = stack.submit(steps=1)
    assert run("--resume", done["id"], "--follow").returncode == 0
    assert images(tmp_path) == {"a-red-fox-64.png": (64, 64)}


@pytest.mark.parametrize(("words", "code"), [((), 2), (("--sizes", "big", "fox"), 2), (("a",), 3)])
def test_its_exit_codes(run, words, code):
    assert run(*words).returncode == code


def test_a_server_is_checked(run, tmp_path):
    result = run("check", "--concurrent", "2")
    assert (result.returncode, "4 of 4 checks passed" in result.stdout) == (0, True), result.stdout
    assert sorted(size for size, _ in images(tmp_path).values()) == [256, 256, 256, 256, 512]


def test_no_server_has_an_exit_code_of_its_own(run, monkeypatch):
    assert run("check", url="http://127.0.0.1:1").returncode == 3
