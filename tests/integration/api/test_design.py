"""What a request says of its logo's design: into the record, into the answer; bad input queues nothing."""

import pytest

from shared.ledger import keys, reads

DESIGN = {
    "style": "emblem",
    "text": "Kaffee Nord",
    "layout": "wordmark",
    "colors": ["#0A7B83", "#F2A541"],
    "background_color": "#FFFFFF",
}
NEON = """[neon]
title = "N"
description = "N"
template = "{prompt}, neon"
lora = { path = "n.safetensors", scale = 0.8 }
"""


async def test_the_design_is_in_the_record_and_in_the_answer(serve, ledger):
    async with serve() as http:
        answer = await http.post("/api/jobs", json={"prompt": "a fox", "num_images": 2} | DESIGN)
        body = answer.json()
        assert (answer.status_code, body["style"], body["text"], body["layout"]) == (
            202,
            "emblem",
            "Kaffee Nord",
            "wordmark",
        )
        assert (body["colors"], body["background_color"]) == (["#0a7b83", "#f2a541"], "#ffffff")
        assert body["colors_share"] is None
        job = ledger.run(reads.job(body["id"])).job
        assert (job.style, job.text, job.layout, job.sheet, job.style_lora) == (
            "emblem",
            "Kaffee Nord",
            "wordmark",
            True,
            "",
        )
        assert job.style_template.startswith("{prompt}, emblem")


async def test_a_retry_sent_before_the_upgrade_still_matches_and_another_design_does_not(serve):
    headers = {"Idempotency-Key": "one"}
    async with serve() as http:
        first = await http.post("/api/jobs", json={"prompt": "a fox"}, headers=headers)
        again = await http.post("/api/jobs", json={"prompt": "a fox", "colors": None, "style": None}, headers=headers)
        other = await http.post("/api/jobs", json={"prompt": "a fox", "colors": ["#0A7B83"]}, headers=headers)
    assert (again.json()["id"], other.status_code) == (first.json()["id"], 422)


async def test_an_operators_style_brings_its_words_and_its_lora(serve, ledger, tmp_path):
    (tmp_path / "s.toml").write_text(NEON)
    async with serve(styles_file=tmp_path / "s.toml") as http:
        body = (await http.post("/api/jobs", json={"prompt": "a fox", "style": "neon"})).json()
        job = ledger.run(reads.job(body["id"])).job
    assert (job.style, job.style_template, job.style_lora) == ("neon", "{prompt}, neon", "n.safetensors:0.8")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"style": "cubist"}, ["style: 'cubist' is none of minimal", "three_d"]),
        ({"colors": ["teal"]}, ["colors.0: 'teal' is no colour"]),
        ({"colors": ["#0A7B83"] * 9}, ["colors", "at most 8"]),
        ({"text": "a\x07"}, ["text", "U+0007"]),
        ({"layout": "icon", "text": "N"}, ["layout: icon shows no text"]),
        ({"background_color": "#fff"}, ["background_color: '#fff' is no colour"]),
        ({"background_color": "#ffffff", "transparent": True}, ["background_color: not with transparent"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_bad_input_is_named_and_nothing_is_queued(serve, ledger, fields, words):
    async with serve() as http:
        answer = await http.post("/api/jobs", json={"prompt": "a fox"} | fields)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "validation_error")
    assert all(word in answer.json()["error"]["message"] for word in words)
    assert not ledger.client.exists(keys.QUEUED)


async def test_the_apps_call_ignores_them_as_any_field_that_it_does_not_know(serve):
    async with serve(request_timeout=1) as http:
        await http.post(
            "/api/generate_logo", json={"prompt": "a fox", "sizes": [64], "colors": ["nonsense"], "style": 5}
        )
        (job,) = (await http.get("/api/jobs")).json()["jobs"]
    assert (job["colors"], job["style"], job["num_images"]) == ([], None, 1)


async def test_openais_style_may_be_one_of_ours(serve):
    async with serve(request_timeout=1) as http:
        for style, expected in (("vivid", None), ("emblem", "emblem")):
            await http.post("/v1/images/generations", json={"prompt": f"a {style} fox", "style": style})
            assert (await http.get("/api/jobs")).json()["jobs"][0]["style"] == expected
        refused = await http.post("/v1/images/generations", json={"prompt": "a fox", "style": "cubist"})
    assert (refused.status_code, "three_d" in refused.json()["error"]["message"]) == (400, True)
