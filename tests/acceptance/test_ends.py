"""Every way in which the supervisor of the stack ends: all stops with it, or all goes on, and the next start works."""

import contextlib
import os
import pty
import select
import threading
from pathlib import Path

import httpx
import pytest

# The streams that Popen is given are the controlling terminal of a session of its own. Where these tests run under
# nohup, what they start would ignore the hang-up too.
ON_A_TERMINAL = ("env", "--default-signal=HUP", "setsid", "--ctty")
# Most of these tests need no generate worker, whose start costs more than all else.
FRONT_ALONE = {"GENERATE_WORKERS": "0"}
NOHUP = ("sh", "-c", "trap '' HUP; exec \"$@\"", "sh")


class Terminal:
    def __init__(self):
        self._ours, self.theirs = pty.openpty()
        self._gone = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        while not self._gone.is_set():
            if select.select([self._ours], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):
                    os.read(self._ours, 1 << 16)

    def hang_up(self):
        self._gone.set()
        self._reader.join()
        os.close(self._ours)


@pytest.fixture
def on_a_terminal(new_stack):
    """Starts a stack on a terminal of its own; returns both."""

    def _start(before=(), **env):
        stack, terminal = new_stack(start=False, **env), Terminal()
        theirs = terminal.theirs
        stack.start("alive", before=[*ON_A_TERMINAL, *before], stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        return stack, terminal

    return _start


def assert_all_ended_and_starts_again(stack):
    stack.process.wait(30)
    assert stack.everything() == []
    stack.env |= FRONT_ALONE
    stack.start("alive")


@pytest.mark.parametrize(
    "settings",
    [{"LOG_FORMAT": "text"}, pytest.param({"LOG_FORMAT": "json"} | FRONT_ALONE, marks=pytest.mark.slow)],
    ids=["text", "json"],
)
def test_a_terminal_that_hangs_up_ends_everything(on_a_terminal, settings):
    stack, terminal = on_a_terminal(**settings)
    terminal.hang_up()
    assert_all_ended_and_starts_again(stack)


def test_a_killed_supervisor_takes_everything_with_it(new_stack):
    stack = new_stack("alive")
    stack.process.kill()
    assert_all_ended_and_starts_again(stack)


def test_nobody_reads_the_output_any_more(new_stack):
    stack = new_stack(start=False, **FRONT_ALONE)
    ours, theirs = os.pipe()
    stack.start("alive", stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.close(ours)
    with contextlib.suppress(httpx.TransportError):
        stack.submit()  # makes lines
    assert_all_ended_and_starts_again(stack)


def goes_on(stack):
    """The stack replaces what dies and takes jobs."""
    (api,) = stack.processes("api.main")
    api.kill()
    api.wait(10)
    stack.wait_until(stack.alive)
    return stack.submit()["status"] == "queued"


def test_nohup_outlives_the_terminal(on_a_terminal):
    stack, terminal = on_a_terminal(NOHUP, LOG_FORMAT="text", **FRONT_ALONE)
    terminal.hang_up()
    assert goes_on(stack)


def test_a_full_disk_under_the_output_costs_lines_only(new_stack):
    stack = new_stack(start=False, **FRONT_ALONE)
    with Path("/dev/full").open("wb") as full:
        stack.start("alive", stdout=full, stderr=full)
    assert goes_on(stack)
    _, left = stack.stop()
    assert left == []
