"""What a job's style means to the worker that draws it: its words, and the LoRA that it may not have."""

import pytest

from shared.jobs import Job, JobStatus
from shared.ledger import counters, keys, moves
from shared.results.redis_store import RedisResults
from tests.integration.worker.conftest import FakeModel
from worker.generate.generator import Generator

DESIGN = {
    "style": "neon",
    "style_template": "{prompt}, as a neon sign",
    "style_lora": "neon.safetensors:0.8",
    "text": "Nord",
    "layout": "combination",
    "colors": ("#0a7b83",),
    "background_color": "#ffffff",
}


@pytest.fixture
def drawn_with(ledger, celery_app, settings, read, finisher):
    """Draws and finishes a job with that design by a worker with those adapters; returns the job and its prompt."""

    def _drawn_with(lora_paths, **design):
        job = Job(id="job", status=JobStatus.QUEUED, prompt="a fox", sizes=(64,), seed=3, **design)
        ledger.run(moves.create(job, max_queue=9))
        own = settings.model_copy(update={"lora_paths": lora_paths})
        model, results = FakeModel(), RedisResults(ledger.client)
        Generator("worker-1", model, ledger, ledger, results, celery_app, own).generate("job")
        finisher.finish("job")
        return read("job"), model.drawings[0].prompt

    return _drawn_with


def test_the_design_is_in_the_prompt_that_is_drawn(drawn_with):
    job, prompt = drawn_with("/elsewhere/neon.safetensors:0.8", **DESIGN)
    assert prompt.startswith('a teal fox on a white background, with the text "Nord" below it, as a neon sign, ')
    assert (job.status, job.prompt, job.drawn_prompt) == (JobStatus.SUCCEEDED, "a fox", "a fox")
    assert "style_lora_missing" not in {warning.code for warning in job.warnings}
    assert 0 <= job.colors_share <= 1


@pytest.mark.parametrize("lora_paths", ["", "/loras/neon.safetensors", "/loras/other.safetensors:0.8"])
def test_a_worker_without_the_lora_draws_by_the_words_and_says_so(drawn_with, client, lora_paths):
    """Another scale is another style."""
    job, prompt = drawn_with(lora_paths, **DESIGN | {"colors": (), "background_color": ""})
    assert "as a neon sign" in prompt
    (warning,) = job.warnings
    assert (job.status, warning.code) == (JobStatus.SUCCEEDED, "style_lora_missing")
    assert "neon.safetensors:0.8" in warning.message
    assert int(client.hget(keys.COUNTERS, counters.reduced("style_lora_missing"))) == 1


def test_a_job_without_a_style_is_drawn_as_before(drawn_with):
    job, prompt = drawn_with("")
    assert prompt.startswith("a fox, professional logo, clean flat vector style")
    assert (job.warnings, job.colors_share) == ((), -1.0)
