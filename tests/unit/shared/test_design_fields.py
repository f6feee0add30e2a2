"""Bad input in the fields of the design is refused by the name of its field, with the bound."""

import pytest
from pydantic import ValidationError

from shared.jobs import Job, JobStatus
from shared.outputs import Outputs
from shared.schemas import JobRequest

TEAL, GOLD = "#0A7B83", "#C8961E"
NINE = [f"#{number:02x}00{255 - number:02x}" for number in range(0, 252, 28)]


def wrong(**fields):
    """(fields that are named, what is said of them)."""
    with pytest.raises(ValidationError) as found:
        JobRequest(prompt="a fox", **fields)
    return [(".".join(map(str, one["loc"])), one["msg"]) for one in found.value.errors()]


@pytest.mark.parametrize(
    ("fields", "named", "said"),
    [
        ({"colors": "teal"}, "colors", "list"),
        ({"colors": []}, "colors", "at least 1"),
        ({"colors": NINE}, "colors", "at most 8"),
        ({"colors": ["teal"]}, "colors.0", "'teal' is no colour"),
        ({"colors": [TEAL, "#12345"]}, "colors.1", "'#12345' is no colour"),
        ({"colors": [TEAL, "#0A7B83FF"]}, "colors.1", "is no colour"),
        ({"colors": [TEAL, "#0A7B8\u0663"]}, "colors.1", "is no colour"),
        ({"colors": [TEAL + "\n"]}, "colors.0", "is no colour"),
        ({"colors": [7]}, "colors.0", "string"),
        ({"colors": ["#" + 3000 * "a"]}, "colors.0", "...' is no colour"),
        ({"colors": [TEAL, TEAL.lower()]}, "colors", "#0a7b83 is named twice"),
        ({"colors": [TEAL, "#0a7c84"]}, "colors", "are one colour"),
        ({"background_color": "white"}, "background_color", "'white' is no colour"),
        ({"background_color": 5}, "background_color", "string"),
        ({"colors": [TEAL], "background_color": TEAL}, "background_color", "is among colors"),
        ({"colors": [GOLD, TEAL], "background_color": "#0a7c84"}, "background_color", "is among colors"),
        ({"background_color": TEAL, "transparent": True}, "", "background_color: not with transparent"),
        ({"style": "Emblem!"}, "style", "pattern"),
        ({"style": 33 * "a"}, "style", "pattern"),
        ({"style": 5}, "style", "string"),
        ({"text": ""}, "text", "at least 1"),
        ({"text": "   "}, "text", "blank"),
        ({"text": 61 * "n"}, "text", "at most 60"),
        ({"text": "two\nlines"}, "text", "U+000A"),
        ({"text": "Nord\x00"}, "text", "U+0000"),
        ({"text": "Nord\u202e"}, "text", "U+202E"),
        ({"text": "Nord\u2028"}, "text", "U+2028"),
        ({"text": 5}, "text", "string"),
        ({"layout": "poster"}, "layout", "'icon', 'wordmark' or 'combination'"),
        ({"layout": "icon", "text": "Nord"}, "layout", "icon shows no text"),
        ({"layout": "wordmark"}, "layout", "wordmark needs text"),
        ({"layout": "combination"}, "layout", "combination needs text"),
    ],
)
def test_what_is_wrong_is_named(fields, named, said):
    (found,) = wrong(**fields)
    assert found[0] == named
    assert said in found[1]


def test_each_wrong_field_is_named_once():
    assert {name for name, _ in wrong(colors=["x"], text="\n", style="?", layout="icon")} == {
        "colors.0",
        "text",
        "style",
    }


def test_what_is_right_is_taken():
    asked = JobRequest(
        prompt="a fox", colors=[TEAL, GOLD], background_color="#FFFFFF", text=" Café 1 \u200cx ", style="neon"
    )
    assert (asked.colors, asked.background_color, asked.text) == (["#0a7b83", "#c8961e"], "#ffffff", "Café 1 \u200cx")
    assert asked.placed == "combination"
    assert JobRequest(prompt="a fox", text="N", layout="wordmark").placed == "wordmark"
    assert JobRequest(prompt="a fox", layout="icon").placed == ""
    assert JobRequest(prompt="a fox", colors=[TEAL], transparent=True).outputs.colors == ("#0a7b83",)


def test_the_sheet_of_several_images_counts_for_no_bound():
    assert JobRequest(prompt="a fox", num_images=4, sizes=[2048], formats=["png", "webp"]).outputs.sheet is False


def test_a_record_without_the_newer_fields_means_what_it_meant():
    job = Job(id="x", status=JobStatus.QUEUED, prompt="p", sizes=(64,), seed=1, num_images=2)
    newer = {"colors", "background_color", "sheet", "style", "style_template", "style_lora", "text", "layout"}
    assert not (newer | {"colors_share"}) & set(job.to_record())
    assert Job.from_record(job.to_record()).outputs == Outputs()
    full = Job(
        id="x",
        status=JobStatus.QUEUED,
        prompt="p",
        sizes=(64,),
        seed=1,
        sheet=True,
        colors=("#0a7b83",),
        background_color="#ffffff",
        style="neon",
        style_template="{prompt}, ä",
        style_lora="n.safetensors:0.8",
        text="Nörd",
        layout="wordmark",
        colors_share=0.0,
    )
    assert Job.from_record(full.to_record()) == full
