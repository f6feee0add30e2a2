"""A prompt that is too long for an encoder is said, and not repeated, in the log."""

import logging

import structlog

from worker.flux.model import FluxModel
from worker.settings import WorkerSettings


def test_the_log_says_that_a_prompt_was_cut_and_not_what_it_was(caplog):
    model = FluxModel(WorkerSettings(_env_file=None, torch_device="cpu", warmup_enabled=False), None)
    model.setup()
    with structlog.testing.capture_logs() as events, caplog.at_level(logging.DEBUG):
        model._encode_prompt("zebra " * 200)
    assert {(event["event"], event["encoder"]) for event in events} == {
        ("prompt.truncated", "CLIP"),
        ("prompt.truncated", "T5"),
    }
    assert all(event["tokens"] > 0 for event in events)
    assert "zebra" not in caplog.text.lower()
