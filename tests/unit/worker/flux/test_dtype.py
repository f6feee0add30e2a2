"""The activations' format, by the card."""

import pytest
import torch

from worker.flux.model import FluxModel
from worker.settings import WorkerSettings


@pytest.mark.parametrize(
    ("capability", "dtype"), [((7, 5), torch.float16), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)]
)
def test_bf16_is_for_cards_that_compute_it(monkeypatch, capability, dtype):
    """Turing emulates it, and torch says that it is supported there."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert FluxModel(WorkerSettings(_env_file=None, torch_device="cuda"), None)._dtype() is dtype
