"""What a timing chose outlives the process; what it depends on makes another choice."""

import json

import pytest
import structlog
import torch

from worker.flux import attention, kept_choices
from worker.flux.attention import Choice, Kernel

WHAT, KNOWN = "attention (1, 4352, 3072)", ("torch", "flash3")


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv(kept_choices.FOLDER, str(tmp_path / "inductor"))
    return tmp_path / "inductor"


def never():
    pytest.fail("timed again")


def test_a_choice_is_timed_once():
    assert kept_choices.choose(WHAT, KNOWN, lambda: "flash3") == "flash3"
    assert kept_choices.choose(WHAT, KNOWN, never) == "flash3"
    assert kept_choices.choose("another shape", KNOWN, lambda: "torch") == "torch"
    assert kept_choices.choose(WHAT, KNOWN[::-1], never) == "flash3"


def test_other_kernels_or_another_version_of_this_package_are_timed(monkeypatch):
    kept_choices.choose(WHAT, KNOWN, lambda: "flash3")
    assert kept_choices.choose(WHAT, (*KNOWN, "fp8"), lambda: "fp8") == "fp8"
    monkeypatch.setattr(kept_choices, "_code", lambda: "another")
    assert kept_choices.choose(WHAT, KNOWN, lambda: "torch") == "torch"


@pytest.mark.parametrize("kept", ["{", "[]", "\xff"], ids=["cut-short", "a-list", "no-utf-8"])
def test_a_file_that_is_none_costs_a_timing(folder, kept):
    folder.mkdir()
    (folder / kept_choices.NAME).write_bytes(kept.encode("latin-1"))
    assert kept_choices.choose(WHAT, KNOWN, lambda: "torch") == "torch"
    assert kept_choices.choose(WHAT, KNOWN, never) == "torch"


def test_a_choice_that_is_unknown_now_is_made_again(folder):
    kept_choices.choose(WHAT, KNOWN, lambda: "torch")
    path = folder / kept_choices.NAME
    path.write_text(json.dumps(dict.fromkeys(json.loads(path.read_text()), "gone")))
    assert kept_choices.choose(WHAT, KNOWN, lambda: "flash3") == "flash3"


def test_a_folder_that_cannot_be_written_costs_a_timing_a_start(folder):
    folder.touch()
    with structlog.testing.capture_logs() as logs:
        assert kept_choices.choose(WHAT, KNOWN, lambda: "torch") == "torch"
        assert kept_choices.choose(WHAT, KNOWN, lambda: "flash3") == "flash3"
    assert "choices.not_kept" in {entry["event"] for entry in logs}


def test_nothing_is_kept_where_nothing_compiled_is(monkeypatch):
    monkeypatch.delenv(kept_choices.FOLDER)
    assert kept_choices.choose(WHAT, KNOWN, lambda: "torch") == "torch"
    assert kept_choices.choose(WHAT, KNOWN, lambda: "flash3") == "flash3"


def test_a_second_start_times_no_attention(monkeypatch):
    took = {Kernel.TORCH: 0.45, Kernel.FLASH3: 0.40}
    x = torch.empty(1, 4352, 96)
    monkeypatch.setattr(attention, "_milliseconds", lambda kernel, *_: took[kernel])
    assert Choice(list(took)).kernel(x, 3) is Kernel.FLASH3
    monkeypatch.setattr(attention, "_milliseconds", lambda *_: never())
    assert Choice(list(took)).kernel(x, 3) is Kernel.FLASH3
