"""The cards of a machine, as a faked driver reports them."""

from types import SimpleNamespace

import pynvml
import pytest
from structlog.testing import capture_logs

from shared.gpus import list_gpus


@pytest.fixture
def driver(monkeypatch):
    """A driver with three cards. (the call that fails, the cards for which it fails)."""
    answers = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetCount": lambda: 3,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetUUID": lambda handle: f"GPU-{handle}",
        "nvmlDeviceGetName": lambda _: "NVIDIA H100",
        "nvmlDeviceGetMemoryInfo": lambda _: SimpleNamespace(total=80),
    }

    def lose(call, *cards):
        def answer(card):
            if card in cards:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
            return answers[call](card)

        monkeypatch.setattr(pynvml, call, answer)

    for name, answer in answers.items():
        monkeypatch.setattr(pynvml, name, answer)
    return lose


@pytest.mark.parametrize("call", ["nvmlDeviceGetHandleByIndex", "nvmlDeviceGetUUID", "nvmlDeviceGetMemoryInfo"])
def test_a_lost_card_is_left_out_and_the_others_keep_their_index(driver, call):
    driver(call, 1)
    with capture_logs() as logged:
        assert [(gpu.index, gpu.uuid) for gpu in list_gpus()] == [(0, "GPU-0"), (2, "GPU-2")]
    assert [(line["event"], line["index"], line["error"]) for line in logged] == [("gpu.skipped", 1, "GPU is lost")]


def test_the_cpu_model_takes_no_lost_cards_place(driver):
    driver("nvmlDeviceGetUUID", 0, 1, 2)
    with pytest.raises(SystemExit, match="none of this machine's 3 cards"):
        list_gpus()
