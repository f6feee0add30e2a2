import contextlib
import json
import logging as stdlib_logging
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import structlog

from shared.observability import logging

EVIL = "fox\n2026-01-01 [info] job.succeeded\x1b[31m\u2028\x9b31m\x85"


@pytest.fixture(autouse=True)
def _restore():
    root = stdlib_logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    stdlib_logging.captureWarnings(capture=False)


def test_json_is_one_object_a_line_with_the_ids(capsys):
    logging.configure("INFO", "json", "api")
    with structlog.contextvars.bound_contextvars(request_id="r", job_id="j"):
        logging.get_logger("test").info("job.created", prompt=EVIL)
        stdlib_logging.getLogger("some.library").warning("said %s", EVIL)
    lines = capsys.readouterr().out.splitlines()
    ours, foreign = map(json.loads, lines)
    assert len(lines) == 2
    assert ours["event"] == "job.created"
    assert ours["prompt"] == EVIL
    for line in (ours, foreign):
        assert (line["request_id"], line["job_id"], line["process"]) == ("r", "j", "api")


def test_a_prompt_cannot_start_a_line_of_its_own_in_text(capsys):
    logging.configure("INFO", "text", "api")
    logging.get_logger("test").info("job.created", prompt=EVIL)
    stdlib_logging.getLogger("some.library").warning("said %s", EVIL)
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 2
    assert "\x1b[31m\u2028" not in out
    assert not any("\x80" <= character < "\xa0" for character in out)


def test_an_error_keeps_its_traceback(capsys):
    logging.configure("INFO", "json", "api")
    try:
        raise ValueError("broken")
    except ValueError:
        logging.get_logger("test").exception("job.failed")
    assert "ValueError: broken" in json.loads(capsys.readouterr().out)["exception"]


@pytest.mark.parametrize("log_format", ["json", "text"])
@pytest.mark.parametrize(("level", "shown"), [("INFO", ["info", "error"]), ("ERROR", ["error"])])
def test_events_below_the_level_are_not_written(capsys, log_format, level, shown):
    logging.configure(level, log_format, "api")
    log = logging.get_logger("test")
    log.debug("a.debug")
    log.info("a.info")
    log.error("a.error")
    out = capsys.readouterr().out
    assert [name for name in ("debug", "info", "error") if f"a.{name}" in out] == shown


def test_a_log_that_cannot_be_written_ends_nothing(monkeypatch):
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        monkeypatch.setattr(sys, "stdout", full)
        logging.configure("INFO", "json", "api")
        logging.get_logger("test").info("job.created")
        with contextlib.suppress(OSError):
            full.close()


def test_lines_of_several_threads_are_whole(tmp_path, monkeypatch):
    with (tmp_path / "log").open("w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        logging.configure("INFO", "json", "api")
        log = logging.get_logger("test")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: log.info("event", number=number, filling="x" * 5000), range(400)))
    numbers = [json.loads(line)["number"] for line in (tmp_path / "log").read_text().splitlines()]
    assert sorted(numbers) == list(range(400))
