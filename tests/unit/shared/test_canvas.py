"""Pictures that are no squares: their names, their shapes, and what is counted of them."""

import re
from typing import get_args

import pytest
from pydantic import ValidationError

from shared.canvas import ASPECTS, MAX_EDGE, PATCH, Canvas, shapes
from shared.jobs import Job, JobStatus
from shared.ledger import room
from shared.ledger.measuring import learn_drawing
from shared.outputs import Outputs
from shared.pace import Pace, Shape
from shared.results import footprint
from shared.results.formats import FILE_NAME_PATTERN
from shared.schemas import Aspect, JobRequest

EDGES = (512, 768, 1024, 1536, 2048)
WIDE = Canvas(1536, 512)


def job(canvas=WIDE, **fields):
    name = "" if canvas.is_square else str(canvas)
    return Job("1", JobStatus.QUEUED, "a fox", (canvas.longest,), 1, canvas=name, **fields)


def test_a_name_is_read_as_it_is_written():
    for size in (WIDE, WIDE.turned, Canvas.of(512)):
        assert Canvas.named(str(size)) == size
    assert str(Canvas(512, 512)) == "512"
    with pytest.raises(ValueError, match="invalid literal"):
        Canvas.named("axb")


@pytest.mark.parametrize("aspect", ASPECTS)
def test_each_aspect_has_a_shape_for_each_number_of_pixels(aspect):
    across, down = (int(part) for part in aspect.split(":"))
    for size in shapes(EDGES, aspect):
        assert size.longest <= MAX_EDGE
        assert (size.width % PATCH, size.height % PATCH) == (0, 0)
        assert size.ratio == pytest.approx(across / down, rel=0.01)
        assert size.aspect == aspect
    usual = Canvas.of_aspect(aspect)
    assert usual.pixels == pytest.approx(1024**2, rel=0.02)
    assert usual.edge == 1024


def test_an_oblong_is_never_taken_for_a_square():
    assert Canvas(1024, 1000).aspect == "4:3"
    assert [Canvas(*size).aspect for size in ((1536, 1024), (1792, 1024), (1024, 1792), (1500, 500))] == [
        "3:2", "16:9", "9:16", "3:1",
    ]  # fmt: skip


def test_the_request_knows_all_aspects():
    assert set(get_args(Aspect)) == set(ASPECTS)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, ["256", "512", "1024"]),
        ({"width": 1536, "height": 512}, ["1536x512"]),
        ({"width": 512, "height": 512}, ["512"]),
        ({"aspect": "3:1"}, ["1776x592"]),
        ({"aspect": "1:1"}, ["1024"]),
        ({"aspect": "1:2", "width": None}, ["720x1440"]),
    ],
)
def test_a_request_has_one_shape(fields, found):
    assert [str(size) for size in JobRequest(prompt="a fox", **fields).canvases] == found


@pytest.mark.parametrize(
    ("fields", "named", "why"),
    [
        ({"width": 512}, "height", "missing, width is given"),
        ({"height": 512}, "height", "only with width"),
        ({"width": 2049, "height": 512}, "width", "2048"),
        ({"width": 63, "height": 512}, "width", "64"),
        ({"width": True, "height": 512}, "width", "boolean"),
        ({"width": 1024, "height": 255}, "height", "1024x255 is no shape from 1:4 to 4:1"),
        ({"aspect": "5:1"}, "aspect", "'4:1'"),
        ({"aspect": 3}, "aspect", "'4:1'"),
        ({"aspect": "3:1", "width": 512, "height": 512}, "aspect", "not with width"),
        ({"aspect": "3:1", "sizes": [512]}, "aspect", "not with sizes"),
        ({"width": 512, "height": 256, "sizes": [512]}, "width", "not with sizes"),
        ({"aspect": "3:1", "sizes": [256, 512, 1024]}, "", "aspect: not with sizes"),
    ],
)
def test_a_contradiction_names_the_field_and_the_bound(fields, named, why):
    with pytest.raises(ValidationError) as refused:
        JobRequest(prompt="a fox", **fields)
    first = refused.value.errors()[0]
    assert (".".join(map(str, first["loc"])), why in first["msg"]) == (named, True)


def test_the_record_of_a_square_is_as_it_was():
    assert "canvas" not in job(Canvas.of(512)).to_record()
    assert Job.from_record(job().to_record()) == job()
    assert job().canvases == (WIDE,)


def test_there_is_room_for_whatever_is_drawn_for_a_shape():
    """Of each shape, for the smallest of the model's that holds it."""
    for width in range(64, 2049, 32):
        for height in range(64, 2049, 32):
            asked = Canvas(width, height)
            if asked.longest > 4 * min(width, height):
                continue
            known = shapes(EDGES, asked.aspect)
            drawn = next((size for size in known if size.holds(asked)), known[-1])
            assert room.pixels_bytes(job(asked)) >= drawn.pixels * room.RAW_BYTES_PER_PIXEL, (asked, drawn)


def test_its_files_count_by_their_pixels():
    outputs = Outputs(("png", "webp"))
    assert footprint.pixels([WIDE], 2, outputs) == 2 * 2 * 1536 * 512
    assert room.image_pixels(job(num_images=2)) == 2 * 1536 * 512
    assert footprint.most_bytes("1536x512-2.webp", 0) == 3 * 1536 * 512 + footprint.REST_BYTES
    for name in ("1536x512.png", "1536x512-2.webp", "1536x512-transparent.png"):
        assert re.match(FILE_NAME_PATTERN, name)


def test_the_pace_of_an_oblong_is_its_own_and_before_that_a_squares_of_as_many_pixels():
    asked = Shape.of(job(Canvas(2048, 512)))
    record = {"1024x1:step": 1.0, "1024x1:fixed": 2.0, "1024x1:finish": 0.5, "steps": 10.0}
    assert Pace(record).drawing_seconds(asked) == 12.0
    assert Pace(record).finishing_seconds(asked) == 0.5
    record |= {"1024x1:wide-step": 2.0, "1024x1:wide-fixed": 3.0, "1024x1:wide-finish": 0.25}
    assert Pace(record).drawing_seconds(asked) == 23.0
    assert Pace(record).finishing_seconds(asked) == 0.25
    assert Pace(record).drawing_seconds(Shape(1024, 0)) == 12.0
    assert Pace(record).drawing_seconds(Shape.of(job(Canvas(592, 1776)))) == 23.0


def test_what_is_learnt_of_an_oblong_no_older_process_reads():
    drawn = job(Canvas(1776, 592), width=1776, height=592, steps=20, started_at=1, drawn_at=30_001, model="m")
    measured = learn_drawing(drawn, 1.0).args[1]
    assert '"1024x1:wide-step": 1.0' in measured
    assert '"1024:wide-asked": 1024' in measured
    assert ':step"' not in measured
    # A model that draws squares draws it as one.
    square = job(width=256, height=256, steps=20, started_at=1, drawn_at=9, model="m")
    measured = learn_drawing(square, 1.0).args[1]
    assert '"256x1:step": 1.0' in measured
    assert '"256:asked": 896' in measured
