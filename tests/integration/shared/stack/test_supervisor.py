"""The supervisor with two small programs: what ends it, and that they end with it."""

import os
import pty
import re
import signal
import subprocess
import sys

import psutil
import pytest

from shared.stack import supervision

RUNS = """
[program:{name}]
command={command}
{policy}
"""


@pytest.fixture
def supervise(tmp_path):
    """Runs a program that lives, and a second one of this command; returns the supervisor."""
    started = []

    def _supervise(second="sleep 600", before=(), **streams):
        lives = [sys.executable, "-uc", "import os, time; print(f'lives {os.getpid()}'); time.sleep(600)"]
        (tmp_path / "supervisord.conf").write_text(
            supervision.supervisord(verbose=False)
            + RUNS.format(name="first", command=supervision._words(lives), policy=supervision._policy(3))
            + RUNS.format(name="second", command=second, policy=supervision._policy(3))
        )
        process = subprocess.Popen(
            ["env", "--default-signal=HUP", *before, *supervision.command(tmp_path)],  # where these run under nohup
            text=True,
            **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams),
        )
        started.append(process)
        return process

    yield _supervise
    for process in started:
        process.kill()
        process.communicate()


def first_of(process):
    """The program that lives."""
    for line in process.stdout:
        if line.startswith("lives"):
            return psutil.Process(int(line.split()[1]))
    raise AssertionError(process.stderr.read())


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL])
def test_no_program_outlives_it(supervise, number):
    process = supervise()
    first = first_of(process)
    process.send_signal(number)
    process.wait(30)
    first.wait(30)


def test_what_cannot_run_with_its_settings_ends_all_with_its_code_and_is_named_once(supervise):
    wrong = "print('wrong'); raise SystemExit(2)"
    process = supervise(supervision._words([sys.executable, "-c", wrong]))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert out.count("wrong\n") == 1
    assert err == "second cannot run with its settings: everything stops\n"
    assert all(not psutil.pid_exists(int(line.split()[1])) for line in out.splitlines() if line.startswith("lives"))


def test_what_may_get_better_is_tried_again(supervise):
    failing = supervision._words([sys.executable, "-uc", "print('tried'); raise SystemExit(1)"])
    process = supervise(failing)
    tried = 0
    for line in process.stdout:
        tried += line == "tried\n"
        if tried == 2:
            break
    assert process.poll() is None


def test_an_output_that_nobody_reads_ends_all(supervise):
    ours, theirs = os.pipe()
    talks = [sys.executable, "-uc", "import time; [time.sleep(0.1) for _ in iter(lambda: print('.'), 1)]"]
    process = supervise(supervision._words(talks), stdout=theirs)
    os.close(theirs)
    os.read(ours, 1)
    family = psutil.Process(process.pid).children()
    os.close(ours)
    assert process.wait(30) == 0
    psutil.wait_procs(family, 30)
    assert [program for program in family if program.is_running()] == []


@pytest.mark.parametrize("goes_on", [False, True])
def test_a_terminal_that_hangs_up_ends_all_though_only_its_leader_is_told(supervise, goes_on):
    """As in `ssh -t host make serve`: make leads the session, and does not hand the signal on."""
    ours, theirs = pty.openpty()
    ignored = "trap '' HUP; " if goes_on else "trap : HUP; "
    leader = ["setsid", "--ctty", "sh", "-c", f'{ignored}"$@"', "sh"]
    process = supervise(before=leader, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    while not (found := re.search(rb"lives (\d+)\r", said)):
        said += os.read(ours, 1000)
    first = psutil.Process(int(found[1]))
    (supervisor,) = psutil.Process(process.pid).children()
    os.close(ours)
    if goes_on:
        with pytest.raises(psutil.TimeoutExpired):
            supervisor.wait(7)  # longer than its ticks
        supervisor.terminate()
    first.wait(30)
    supervisor.wait(30)


def test_a_terminal_that_hung_up_before_the_start_ends_all(supervise):
    ours, theirs = pty.openpty()
    closed = 'trap : HUP; echo waits; while test -t 0; do sleep 0.05; done; "$@"'
    process = supervise(
        before=["setsid", "--ctty", "sh", "-c", closed, "sh"], stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    assert b"waits" in os.read(ours, 1000)
    os.close(ours)
    process.wait(60)
