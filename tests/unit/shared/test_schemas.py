import pytest
from pydantic import ValidationError

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
        ("transparent", True),
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
