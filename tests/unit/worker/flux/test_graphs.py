"""What graphs do on the host, with a card's calls replaced."""

from contextlib import contextmanager

import pytest
import torch

from worker.flux import graphs, side_stream
from worker.flux.graphs import MORE_SHAPES, Graphs
from worker.flux.side_stream import SideStream


class Stream:
    def __init__(self):
        self.waits = 0

    def wait_stream(self, _):
        self.waits += 1


class Card:
    """As `torch.cuda` where the end of a capture fails, because a side stream is in it."""

    Stream = Stream
    CUDAGraph = object

    def __init__(self):
        self.now = self.first = Stream()

    def graph_pool_handle(self):
        return (0, 1)

    def current_stream(self):
        return self.now

    def synchronize(self):
        pass

    empty_cache = synchronize

    @contextmanager
    def stream(self, stream):
        before, self.now = self.now, stream
        try:
            yield
        finally:
            self.now = before

    @contextmanager
    def graph(self, _graph, **_):
        self.now = Stream()
        try:
            yield
        finally:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")


@pytest.fixture
def card(monkeypatch):
    card = Card()
    for module in (graphs, side_stream):
        monkeypatch.setattr(module.torch, "cuda", card)
    return card


def test_memory_that_runs_out_in_a_capture_is_that_error_and_the_thread_leaves_its_stream(card):
    calls = []

    def forward(x):
        calls.append(x)
        if len(calls) > graphs.WARM_UPS:
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        Graphs(forward)(torch.zeros(1))
    assert card.now is card.first


def test_an_end_of_a_capture_that_fails_by_itself_is_said(card):
    with pytest.raises(RuntimeError, match="during capture"):
        Graphs(lambda x: x)(torch.zeros(1))
    assert card.now is card.first


def test_the_shape_that_was_used_longest_ago_goes(card):
    made, captured = Graphs(lambda x: x, served=2), []

    class Replayed:
        output = None
        inputs = {0: torch.zeros(0)}  # noqa: RUF012 - a copy of any shape goes into it
        graph = type("Graph", (), {"replay": lambda _: None})()

    def capture(named, _tensors):
        captured.append(len(named[0]))
        held = Replayed()
        held.inputs = {0: torch.zeros(len(named[0]))}
        return held

    made._capture = capture
    most = 2 + MORE_SHAPES
    for size in range(1, most + 1):
        made(torch.zeros(size))
    made(torch.zeros(1))
    made(torch.zeros(most + 1))  # 2 goes, because 1 was used since
    made(torch.zeros(1))
    assert captured == [*range(1, most + 1), most + 1]
    made(torch.zeros(2))
    assert captured[-1] == 2
    assert len(made._captured) == most


def test_a_join_waits_only_for_what_branched(card):
    """In a capture the current stream must not wait for a stream that is not in it."""
    side = SideStream(enabled=True)
    side.join()
    assert card.first.waits == 0
    with pytest.raises(torch.OutOfMemoryError), side.branch():
        raise torch.OutOfMemoryError
    side.join()
    side.join()
    assert card.first.waits == 1


def test_shapes_of_as_many_tokens_have_a_graph_each(card):
    made, captured = Graphs(lambda x: x), []

    def capture(named, tensors):
        captured.append(named["grid"])
        replayed = type("Graph", (), {"replay": lambda _: None})()
        return graphs._Captured(replayed, {name: value.clone() for name, value in tensors.items()}, None)

    made._capture = capture
    for grid in ((512, 2048), (2048, 512), (512, 2048)):
        made(torch.zeros(4), grid=grid)
    assert captured == [(512, 2048), (2048, 512)]
