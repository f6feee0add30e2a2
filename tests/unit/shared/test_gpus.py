"""The cards of a machine, as a faked driver reports them."""

from types import SimpleNamespace

import pynvml
import pytest
from structlog.testing import capture_logs

from shared.gpus import list_gpus, named


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

    for variable in ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"):
        monkeypatch.delenv(variable, raising=False)

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


@pytest.mark.parametrize(
    ("cuda", "left"),
    [
        ("1", [1]),
        ("2,0", [0, 2]),
        (" 1 , GPU-2", [1, 2]),
        ("GPU-1", [1]),
        ("0,-1,2", [0]),
        ("", []),
        ("-1", []),
    ],
)
def test_only_the_cards_that_the_operator_left_are_used(driver, monkeypatch, cuda, left):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", cuda)
    assert [gpu.index for gpu in list_gpus()] == left


@pytest.mark.parametrize(
    ("runtime", "left"),
    [("all", [0, 1, 2]), ("1", [0, 1, 2]), ("GPU-1,GPU-2", [1, 2]), ("none", []), ("void", [])],
)
def test_a_containers_variable_says_something_by_uuid_only(driver, monkeypatch, runtime, left):
    monkeypatch.setenv("NVIDIA_VISIBLE_DEVICES", runtime)
    assert [gpu.index for gpu in list_gpus()] == left


@pytest.mark.parametrize("variable", ["CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"])
def test_a_variable_that_names_no_card_is_said(driver, monkeypatch, variable):
    monkeypatch.setenv(variable, "GPU-7")
    with pytest.raises(SystemExit, match=f"{variable}='GPU-7' names none"):
        list_gpus()


@pytest.fixture
def mig(driver, monkeypatch):
    """The driver, with two MIG instances on card 1, whose numbers have a gap."""

    def instance(card, number):
        if number == 1:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return f"{card}-{number}"

    monkeypatch.setattr(pynvml, "nvmlDeviceGetMigMode", lambda card: [int(card == 1), int(card == 1)])
    monkeypatch.setattr(pynvml, "nvmlDeviceGetMaxMigDeviceCount", lambda _: 3)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetMigDeviceHandleByIndex", instance)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetUUID", lambda handle: f"{'GPU' if handle in (0, 2) else 'MIG'}-{handle}")


def test_each_mig_instance_is_a_card(mig, monkeypatch):
    assert [(gpu.index, gpu.uuid) for gpu in list_gpus()] == [
        (0, "GPU-0"),
        (1, "MIG-1-0"),
        (1, "MIG-1-2"),
        (2, "GPU-2"),
    ]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1-2")
    assert [gpu.uuid for gpu in list_gpus()] == ["MIG-1-2"]


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        ("auto", ["GPU-0", "MIG-1-0", "MIG-1-2", "GPU-2"]),
        ("0,2", ["GPU-0", "GPU-2"]),
        ("1", ["MIG-1-0", "MIG-1-2"]),
        ("MIG-1-2, 0", ["GPU-0", "MIG-1-2"]),
        ("7", []),
        ("", []),
        ("G", []),
    ],
)
def test_cards_are_named_by_index_uuid_or_its_beginning(mig, wanted, taken):
    assert [gpu.uuid for gpu in named(list_gpus(), wanted)] == taken
