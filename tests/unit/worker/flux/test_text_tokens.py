"""MAX_TEXT_TOKENS: how many tokens a prompt is padded to, and what becomes of a longer one."""

from types import SimpleNamespace

import pytest
import structlog
from transformers import AutoTokenizer

from worker.flux import memory_plan
from worker.flux.checkpoint import CPU_MODEL_PATH
from worker.flux.model import FluxModel
from worker.prompts import enhance
from worker.settings import WorkerSettings


@pytest.fixture(scope="module")
def tokenizer():
    made = AutoTokenizer.from_pretrained(CPU_MODEL_PATH / "tokenizer_2")
    made.model_max_length = 512
    return made


def model(tokenizer, *, guided=True, **settings):
    made = FluxModel(WorkerSettings(_env_file=None, torch_device="cpu", **settings), None)
    config = SimpleNamespace(guidance_embeds=guided)
    made._pipeline = SimpleNamespace(tokenizer_2=tokenizer, transformer=SimpleNamespace(config=config))
    return made


@pytest.mark.parametrize(
    ("setting", "guided", "expected"), [(None, True, 256), (512, True, 512), (512, False, 256), (64, False, 64)]
)
def test_the_tokens_of_a_prompt(tokenizer, setting, guided, expected):
    settings = {} if setting is None else {"max_text_tokens": setting}
    assert model(tokenizer, guided=guided, **settings)._text_tokens() == expected


def test_a_tokenizer_bounds_them(tokenizer, monkeypatch):
    monkeypatch.setattr(tokenizer, "model_max_length", 64)
    assert model(tokenizer)._text_tokens() == 64


def test_a_prompt_with_its_guidance_fits(tokenizer):
    assert model(tokenizer)._cut(enhance("a red fox head, geometric")) is None


@pytest.mark.parametrize(
    "prompt", ["zebra " * 300, "狐" * 500, "a1b2 " * 100, "\U0001f98a\U0001f98a x " * 120, "x, " * 166]
)
def test_what_is_said_to_be_taken_is_what_is_encoded(tokenizer, prompt):
    found = model(tokenizer, max_text_tokens=64)
    with structlog.testing.capture_logs() as events:
        characters = found._cut(prompt)
    expected = tokenizer(prompt, truncation=True, max_length=64).input_ids
    whole = tokenizer(prompt).input_ids
    if len(whole) <= 64:
        assert characters is None
        assert not events
        return
    taken = tokenizer(prompt[:characters]).input_ids
    assert taken == expected
    assert 0 < characters < len(prompt)
    (event,) = events
    assert (event["event"], event["tokens"], event["most"]) == ("prompt.cut", len(whole), 64)
    assert prompt[:20] not in str(event)


def test_it_is_said_at_each_drawing(tokenizer):
    found = model(tokenizer, max_text_tokens=64)
    with structlog.testing.capture_logs() as events:
        for _ in range(2):
            found._cut("zebra " * 300)
    assert len(events) == 2


def test_the_memory_plan_counts_them():
    plan, sizes = memory_plan.plans((9, 0))["full"], memory_plan.Sizes(*[memory_plan.Size(0, 0)] * 3)
    most, usual = (memory_plan.estimate(plan, sizes, text_tokens=tokens) for tokens in (512, 256))
    assert most - usual == pytest.approx(memory_plan.DENOISE_BYTES * 256 / 4608)
