"""The set-up of the environment by make, with a Python that does only what the set-up asks of it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PYTHON = """#!/bin/sh
case "$*" in
    "-m venv"*)
        case "$*" in *--clear*) rm -rf .venv ;; esac
        mkdir -p .venv/bin && cp "$0" .venv/bin/python
        test -e has-ensurepip && touch .venv/pip ;;
    "-m ensurepip"*) test -e has-ensurepip && touch .venv/pip ;;
    "-m pip"*)
        test -e .venv/pip || { echo "No module named pip" >&2; exit 1; }
        mkdir .venv/busy 2>/dev/null || touch beside
        while test -e hold; do sleep 0.01; done
        rmdir .venv/busy 2>/dev/null ;;
esac
"""


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "jo doe" / "logo"
    folder.mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    (folder / "python 3").write_text(PYTHON)
    (folder / "python 3").chmod(0o755)
    return folder


def make(checkout):
    """Sets up; returns whether it worked."""
    env = os.environ | {"PYTHON": str(checkout / "python 3")}
    command = ["make", "-C", str(checkout), ".venv/.ready"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    ready = (checkout / ".venv" / ".ready").exists()
    assert ready == (done.returncode == 0), done.stderr
    return ready


def test_an_environment_that_got_no_pip_gets_one_by_the_next_make(checkout):
    assert not make(checkout)
    assert not make(checkout)
    (checkout / "has-ensurepip").touch()
    assert make(checkout)


@pytest.mark.skipif(not shutil.which("flock"), reason="without flock (util-linux) nothing keeps set-ups apart")
def test_a_set_up_waits_for_another(checkout):
    """That of a make whose terminal was closed goes on."""
    (checkout / "has-ensurepip").touch()
    (checkout / "hold").touch()
    options = {"cwd": checkout, "env": os.environ | {"PYTHON": str(checkout / "python 3")}, "text": True}
    command = ["make", ".venv/.ready"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, **options) as first:
        while not (checkout / ".venv" / "busy").exists():
            assert first.poll() is None
        with subprocess.Popen(command, stdout=subprocess.PIPE, **options) as second:
            told = next((line for line in second.stdout if "this one waits" in line), None)
            (checkout / "hold").unlink()
            second.stdout.read()
    assert told
    assert (first.returncode, second.returncode) == (0, 0)
    assert not (checkout / "beside").exists()


def test_an_environment_whose_python_is_gone_is_made_anew(checkout):
    (checkout / "has-ensurepip").touch()
    assert make(checkout)
    python = checkout / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3")
    assert make(checkout)
    assert python.exists()


def test_a_colour_of_the_demo_is_typed_as_it_is(checkout):
    """A # begins a comment in a makefile and in the shell, in neither of which the value stands."""
    (checkout / "has-ensurepip").touch()
    assert make(checkout)
    shown = '#!/bin/sh\necho "$* STYLE=$STYLE COLORS=$COLORS BACKGROUND=$BACKGROUND TEXT=$TEXT"\n'
    (checkout / ".venv" / "bin" / "python").write_text(shown)
    command = "make -s demo STYLE=emblem COLORS=#0A7B83,#F2A541 BACKGROUND=#FFFFFF 'TEXT=Kaffee #1'"
    done = subprocess.run(["sh", "-c", command], cwd=checkout, capture_output=True, text=True, check=True)
    assert "-m shared.stack.demo STYLE=emblem COLORS=#0A7B83,#F2A541 BACKGROUND=#FFFFFF TEXT=Kaffee #1\n" in done.stdout
