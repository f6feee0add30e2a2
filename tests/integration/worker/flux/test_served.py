"""What is ready before the first job: every batch at every size, whatever is set."""

import functools

import pytest
import torch

from shared.canvas import ASPECTS, Canvas, shapes
from worker.flux import decoder
from worker.flux.decoder import CompiledDecoder
from worker.flux.model import FLUX_BUCKETS, FluxModel
from worker.settings import WorkerSettings

EVERY_SHAPE = sorted({size for aspect in ASPECTS for size in shapes(FLUX_BUCKETS, aspect)})


def warmed(device, **settings):
    model = FluxModel(WorkerSettings(_env_file=None, torch_device=device, **settings), None)
    drawn = []
    model.generate = lambda drawing, _: drawn.append((str(model.bucket(drawing.size)), len(drawing.seeds)))
    model._warm_up()
    return drawn


def test_every_batch_at_every_size_the_largest_first():
    found = warmed("cuda", served_sizes="512,700,768,1024", max_concurrent_jobs=3)
    assert set(found) == {(edge, images) for edge in ("512", "768", "1024") for images in (1, 2, 3)}
    assert len(found) == 9
    pixels = [Canvas.named(size).pixels * images for size, images in found]
    assert pixels == sorted(pixels, reverse=True)


def test_what_is_no_square_is_warmed_up_in_its_own_shape():
    found = warmed("cuda", served_sizes="1024,3:1,1:3,1500x500,2048x512", max_concurrent_jobs=2)
    assert {size for size, _ in found} == {"1024", "1776x592", "592x1776", "2048x512"}
    assert len(found) == 8
    pixels = [Canvas.named(size).pixels * images for size, images in found]
    assert pixels == sorted(pixels, reverse=True)


def test_one_image_where_nothing_is_compiled():
    assert warmed("cpu", max_concurrent_jobs=3, warmup_size=512) == [("512", 1)]


@pytest.fixture
def compiled(monkeypatch):
    """(a decoder for FLUX's sizes, the shapes that it was compiled for)."""
    shapes = []

    def backend(graph, inputs):
        shapes.append([tuple(part.shape) for part in inputs if part.ndim == 4])
        return graph.forward

    monkeypatch.setattr(decoder.torch, "compile", functools.partial(torch.compile, backend=backend))
    torch._dynamo.reset()
    latents = {Canvas(size.width // 8, size.height // 8) for size in EVERY_SHAPE}
    yield CompiledDecoder(lambda latents: latents * 2, latents), shapes
    torch._dynamo.reset()


def test_no_setting_reaches_the_compilers_limit(compiled):
    """Up to 8 images at each of FLUX's shapes, of which dynamo takes 8 by itself."""
    decode, shapes = compiled
    with torch.inference_mode():
        for size in EVERY_SHAPE:
            for images in range(1, 9) if size.is_square else (1, 2):
                latents = torch.randn(images, 2, size.height // 8, size.width // 8)
                assert torch.equal(decode(latents), latents * 2)
    assert len(shapes) == len(EVERY_SHAPE)


def test_a_tile_that_is_no_square_is_not_compiled(compiled):
    decode, shapes = compiled
    decode(torch.randn(1, 2, 32, 64))
    assert not shapes
