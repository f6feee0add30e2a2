import pytest
from pydantic import ValidationError

from shared.outputs import Outputs
from shared.schemas import JobRequest, LogoRequest


@pytest.mark.parametrize("kind", [JobRequest, LogoRequest])
@pytest.mark.parametrize("prompt", ["ab", "a" * 501, "   ", "\t\n  ", 7, None, ["fox"], "\ud800abc"])
def test_a_bad_prompt_is_named(kind, prompt):
    with pytest.raises(ValidationError) as error:
        kind(prompt=prompt)
    assert error.value.errors()[0]["loc"] == ("prompt",)


def test_the_prompts_length_counts_before_it_is_trimmed():
    assert LogoRequest(prompt="  a  ").prompt == "a"
    with pytest.raises(ValidationError):
        LogoRequest(prompt=" " * 499 + "ab")


@pytest.mark.parametrize(
    ("asked", "valid"),
    [
        ([], [256, 512, 1024]),
        ([512, 256, 512], [512, 256, 512]),
        (["512", 256.0], [512, 256]),
        ([63, 64, 2048, 2049, -1], [64, 2048]),
    ],
)
def test_the_apps_sizes(asked, valid):
    assert LogoRequest(prompt="fox", sizes=asked).sizes == valid


@pytest.mark.parametrize("sizes", [list(range(64, 81)), [63], [2049, 0], ["large"], [256.5], "512", None, [None]])
def test_the_apps_bad_sizes(sizes):
    with pytest.raises(ValidationError) as error:
        LogoRequest(prompt="fox", sizes=sizes)
    assert error.value.errors()[0]["loc"][0] == "sizes"


EVERY_SIZE = [64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048]


@pytest.mark.parametrize(
    ("sizes", "num_images", "fits"),
    [
        ([256, 512, 1024], 4, True),
        (EVERY_SIZE, 1, True),
        ([2048], 4, True),
        ([2048] * 16, 4, True),  # duplicate sizes are one image
        ([2048, 64], 4, False),
        (list(range(2033, 2049)), 1, False),
    ],
)
def test_the_pixels_of_a_job_are_bounded(sizes, num_images, fits):
    made = [lambda: JobRequest(prompt="fox", sizes=sizes, num_images=num_images)]
    made += [lambda: LogoRequest(prompt="fox", sizes=sizes)] if num_images == 1 else []
    for make in made:
        if fits:
            assert make().sizes == sizes
            continue
        with pytest.raises(ValidationError) as error:
            make()
        message = error.value.errors()[0]["msg"]
        assert message.startswith("sizes")
        assert all(part in message for part in ("num_images", "16777216"))


def test_the_app_may_send_what_we_do_not_know():
    assert LogoRequest(prompt="fox", platform="android").model_dump().keys() == {"prompt", "sizes"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sizes", [63]),
        ("sizes", []),
        ("sizes", [64] * 17),
        ("seed", -1),
        ("seed", 2**32),
        ("steps", 0),
        ("steps", 51),
        ("guidance", -0.1),
        ("guidance", 20.1),
        ("guidance", float("nan")),
        ("deadline_seconds", 0),
        ("shiny", True),
        ("formats", []),
        ("formats", "png"),
        ("formats", None),
        ("formats", ["webp", "webp"]),
        ("quality", True),
        ("quality", 0),
        ("quality", 101),
        ("transparent", "yes"),
        ("transparent", 1),
        ("transparent", None),
        ("holes", "fill"),
        ("icons", "all"),
    ],
)
def test_a_field_out_of_its_bounds_is_named(field, value):
    with pytest.raises(ValidationError) as error:
        JobRequest.model_validate({"prompt": "fox", field: value})
    assert error.value.errors()[0]["loc"][0] == field


@pytest.mark.parametrize("field", ["seed", "num_images", "steps", "guidance", "deadline_seconds", "sizes"])
def test_a_boolean_is_no_number(field):
    """Python takes true for 1, the API must not."""
    value = [True] if field == "sizes" else True
    with pytest.raises(ValidationError) as error:
        JobRequest.model_validate({"prompt": "a red fox", field: value})
    assert error.value.errors()[0]["msg"] == "must be a number, not a boolean"


@pytest.mark.parametrize("name", ["gif", "PNG", "jpg", "", None, 7])
def test_a_format_that_is_not_there_is_named_with_those_that_are(name):
    with pytest.raises(ValidationError) as error:
        JobRequest(prompt="fox", formats=["png", name])
    assert error.value.errors()[0]["loc"] == ("formats", 1)
    assert all(known in error.value.errors()[0]["msg"] for known in ("png", "webp", "jpeg", "avif", "svg"))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"quality": 80}, "quality"),
        ({"quality": 80, "formats": ["png", "svg"]}, "quality"),
        ({"transparent": True, "formats": ["jpeg"]}, "transparent"),
        ({"holes": "cut"}, "holes"),
        ({"holes": "keep", "transparent": False}, "holes"),
    ],
)
def test_outputs_that_contradict_each_other_are_named(fields, named):
    with pytest.raises(ValidationError) as error:
        JobRequest(prompt="fox", **fields)
    assert [item["loc"] for item in error.value.errors()] == [(named,)]


def test_the_outputs_of_a_request():
    assert JobRequest(prompt="fox").outputs == Outputs()
    every = ["png", "webp", "jpeg", "avif", "svg"]
    asked = JobRequest(prompt="fox", formats=every, quality=80, transparent=True, holes="cut", icons=True)
    assert asked.outputs == Outputs(tuple(every), 80, transparent=True, holes="cut", icons=True)


@pytest.mark.parametrize(
    ("fields", "fits"),
    [
        ({"sizes": [1024], "num_images": 4, "formats": ["png", "webp", "jpeg", "svg"]}, True),
        ({"sizes": [2048], "num_images": 4, "formats": ["webp"]}, True),
        ({"sizes": [2048], "num_images": 4, "formats": ["webp", "svg"]}, False),
        ({"sizes": [2048], "num_images": 4, "formats": ["webp"], "transparent": True}, False),
        ({"sizes": [2048], "num_images": 4, "formats": ["webp"], "transparent": True, "quality": 90}, False),
        ({"sizes": [2048], "num_images": 4, "formats": ["avif", "jpeg"]}, True),
        ({"sizes": [2048], "num_images": 4, "formats": ["svg"], "icons": True}, True),
        ({"num_images": 4, "formats": ["webp", "jpeg", "avif", "svg"], "transparent": True, "icons": True}, True),
    ],
)
def test_the_files_count_as_pixels_too(fields, fits):
    if fits:
        assert JobRequest(prompt="fox", **fields)
        return
    with pytest.raises(ValidationError, match="the bound is 33554432") as error:
        JobRequest(prompt="fox", **fields)
    assert "formats" in error.value.errors()[0]["msg"]
