"""SAFETY at the API: prompts that are refused, by each route in its own shape, counted, and in no log."""

import pytest
import structlog

from api import app as api_app
from api.settings import ApiSettings
from shared.ledger import moves
from shared.settings import load

BAD = "a n1gger FÜCK logo"
CALLS = [
    ("/api/jobs", {"prompt": BAD}),
    ("/api/jobs", {"prompt": "a red fox", "text": BAD}),
    ("/api/generate_logo", {"prompt": BAD}),
    ("/v1/images/generations", {"prompt": BAD}),
    ("/v1/images/generations", {"prompt": BAD, "stream": True}),
    ("/v1/predictions", {"input": {"prompt": BAD}}),
    ("/v1/models/any/name/predictions", {"input": {"prompt": BAD}}),
]


async def test_each_route_refuses_in_its_own_shape(serve, client, capsys):
    async with serve(safety="prompt") as http:
        answers = [await http.post(path, json=body) for path, body in CALLS]
        found = [(answer.status_code, _code(answer.json())) for answer in answers]
        assert found == [
            *[(422, "content_filtered")] * 3,
            *[(400, "content_policy_violation")] * 2,
            *[(422, "content_filtered")] * 2,
        ]
        assert isinstance(answers[2].json()["detail"], str)  # as the app reads it
        assert answers[3].json()["error"]["type"] == "invalid_request_error"
        assert f"logo_prompts_refused_total {float(len(CALLS))}" in (await http.get("/metrics")).text
        assert (await http.post("/api/jobs", json={"prompt": "a red fox"})).status_code == 202
    assert client.keys("logo:job:*").__len__() == 1
    assert "n1gger" not in capsys.readouterr().out


def _code(body):
    return body["error"]["code"] if "error" in body else body["title"]


@pytest.mark.parametrize(
    "prompt", ["an Acme logo", "AN ÁCMÉ LOGO", "a c m e", "4cme", "the rival  brand", "rívàl brand"]
)
async def test_the_operators_own_words(serve, tmp_path, prompt):
    words = tmp_path / "words.txt"
    words.write_text("\ufeff# ours\nacme\n\nrival brand\n")
    async with serve(safety="both", safety_words_file=words) as http:
        assert (await http.post("/api/jobs", json={"prompt": prompt})).status_code == 422
        for fine in ("a macmeister", "a brand for a rivalry", "Scunthorpe United", "a cocktail bar"):
            assert (await http.post("/api/jobs", json={"prompt": fine})).status_code == 202


@pytest.mark.parametrize("safety", [None, "off", "image"])
async def test_without_it_everything_is_drawn(serve, safety):
    with structlog.testing.capture_logs() as logs:
        async with serve(safety=safety) as http:
            assert (await http.post("/api/jobs", json={"prompt": BAD})).status_code == 202
    hints = [entry["hint"] for entry in logs if entry["event"] == "safety.off"]
    assert ["FLUX.1-dev's licence" in hint for hint in hints] == ([True] if safety is None else [])


async def test_a_drawing_that_was_refused_tells_its_code(serve, ledger):
    """As the finisher fails it; a held call has it in its own shape."""
    async with serve() as http:
        job_id = (await http.post("/api/jobs", json={"prompt": "a leaf"})).json()["id"]
        ledger.run(moves.fail(job_id, code="content_filtered", message="not shown", ttl_seconds=60))
        job = (await http.get(f"/api/jobs/{job_id}")).json()
        assert (job["status"], job["error"]["code"]) == ("failed", "content_filtered")
        assert 'logo_jobs_ended_total{code="content_filtered",status="failed"} 1.0' in (await http.get("/metrics")).text


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"SAFETY": "some"}, "setting SAFETY='some': "),
        ({"SAFETY": "prompt", "SAFETY_WORDS_FILE": "/nowhere"}, "setting SAFETY_WORDS_FILE="),
    ],
)
def test_what_is_wrong_ends_the_start_with_one_line(monkeypatch, capsys, settings, said):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        api_app.create_app(load(ApiSettings))
    found = capsys.readouterr().err
    assert (ended.value.code, found.count("\n"), found.startswith(said)) == (2, 1, True)


@pytest.mark.parametrize(("safety", "package"), [("prompt", "glin_profanity")])
def test_a_missing_package_ends_the_start_with_one_line(monkeypatch, capsys, safety, package):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SystemExit) as ended:
        api_app.create_app(ApiSettings(_env_file=None, safety=safety))
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        f"setting SAFETY: it needs the package {package}: pip install --group safety -c constraints.txt\n"
    )
