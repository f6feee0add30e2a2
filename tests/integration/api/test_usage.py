"""`GET /api/usage`, quotas at the submit, and the operator's commands."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest

from api import auth, usage
from shared.ledger import keys

BODY = {"prompt": "a red fox", "sizes": [64]}
SHOP, OTHER = {"X-API-Key": "shop"}, {"X-API-Key": "other"}
TODAY = datetime.now(UTC).date()
ALL = {"from": str(TODAY - timedelta(1)), "to": str(TODAY + timedelta(1))}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "keys.toml"

    def write(shop=""):
        entries = (f'[[key]]\nname = "{name}"\nhash = "{auth.digest(name)}"\n' for name in ("other", "shop"))
        path.write_text("".join(entries) + shop)
        return path

    return write


async def test_a_key_sees_what_it_has_used(serve, file, succeed):
    async with serve(keys_file=file()) as http:
        made = await http.post("/api/jobs", json=BODY | {"num_images": 2}, headers=SHOP)
        assert "X-Quota-Remaining" not in made.headers
        succeed(made.json()["id"])
        canceled = (await http.post("/api/jobs", json=BODY, headers=SHOP)).json()["id"]
        await http.delete(f"/api/jobs/{canceled}?forget=true", headers=SHOP)
        answer = await http.get("/api/usage", params=ALL, headers=SHOP)
        found = answer.json()
        assert found["total"]["jobs"] == {"succeeded": 1, "failed": 0, "canceled": 1, "expired": 0}
        assert (found["total"]["images"], found["quota"]) == (2, None)
        assert [day["date"] for day in found["days"]] == [str(datetime.now(UTC).date())]
        assert (found["from"], found["to"]) == (ALL["from"], ALL["to"])
        other = (await http.get("/api/usage", params=ALL, headers=OTHER)).json()
        assert (other["days"], other["total"]["images"]) == ([], 0)
        page = (await http.get("/metrics")).text
        assert 'logo_key_jobs_month{key="shop",status="canceled"} 1.0' in page
        assert 'logo_key_images_month{key="shop"} 2.0' in page
        assert (await http.get("/api/usage", params=ALL)).status_code == 401


async def test_without_keys_it_is_everybodys(serve, succeed):
    async with serve() as http:
        succeed((await http.post("/api/jobs", json=BODY)).json()["id"])
        assert (await http.get("/api/usage", params=ALL)).json()["total"]["images"] == 1


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"from": "2026-11-02", "to": "2026-11-01"}, "from: 2026-11-02 is after to, 2026-11-01"),
        ({"from": "2024-01-01", "to": "2026-11-01"}, "from, to: at most 400 days"),
        ({"from": "yesterday"}, "from: "),
        ({"from": "1795467640"}, "from: "),
        ({"to": "2026-02-30"}, "to: "),
        ({"to": ""}, "to: "),
        ({"key": "other"}, "key: "),
        ({"owner": auth.digest("other")}, "owner: "),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
async def test_bad_queries_are_named(serve, file, params, told):
    async with serve(keys_file=file()) as http:
        answer = await http.get("/api/usage", params=params, headers=SHOP)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "validation_error")
        assert answer.json()["error"]["message"].startswith(told)


async def test_a_quota_is_told_kept_to_and_renewed(serve, file, succeed):
    async with serve(keys_file=file("quota_images = 3")) as http:
        first = await http.post("/api/jobs", json=BODY | {"num_images": 2}, headers=SHOP)
        assert (first.status_code, first.headers["X-Quota-Remaining"]) == (202, "1")
        refused = await http.post("/api/jobs", json=BODY | {"num_images": 2}, headers=SHOP)
        error = refused.json()["error"]
        assert (refused.status_code, error["code"], refused.headers["X-Quota-Remaining"]) == (
            429,
            "quota_exceeded",
            "1",
        )
        renewed = datetime.fromisoformat(error["details"]["renewed_at"])
        assert (renewed.day, renewed.hour, renewed.minute, renewed.second) == (1, 0, 0, 0)
        assert error["details"] | {"renewed_at": ""} == {
            "unit": "images",
            "limit": 3,
            "remaining": 1,
            "renewed_at": "",
        }
        assert f"{renewed:%Y-%m-%d}" in error["message"]
        wait = (renewed - datetime.now(UTC)).total_seconds()
        assert int(refused.headers["Retry-After"]) == pytest.approx(wait, abs=60)
        assert (await http.post("/api/jobs", json=BODY, headers=SHOP)).headers["X-Quota-Remaining"] == "0"
        succeed(first.json()["id"])
        seen = await http.get("/api/usage", headers=SHOP)
        assert (seen.headers["X-Quota-Remaining"], seen.json()["quota"]["limit"]) == ("0", 3)
        # The same in the formats of the other protocols, whose clients are not to try again.
        openai = await http.post("/v1/images/generations", json={"prompt": "a fox"}, headers=SHOP)
        assert (openai.status_code, openai.json()["error"]["code"]) == (429, "quota_exceeded")
        assert (openai.headers["X-Should-Retry"], openai.headers["X-Quota-Remaining"]) == ("false", "0")
        replicate = await http.post("/v1/predictions", json={"input": {"prompt": "a fox"}}, headers=SHOP)
        assert (replicate.status_code, replicate.json()["title"]) == (429, "quota_exceeded")
        app = await http.post("/api/generate_logo", json={"prompt": "a fox"}, headers=SHOP)
        assert (app.status_code, app.json()["error"]["code"]) == (429, "quota_exceeded")
        assert (await http.post("/api/jobs", json=BODY, headers=OTHER)).status_code == 202


async def test_a_quota_of_gpu_seconds(serve, file, client):
    client.hset(keys.usage(auth.digest("shop"), f"{datetime.now(UTC):%Y-%m}"), "month:denoise_ms", 7_500)
    client.hset(keys.SHARES, "mean", 1)
    async with serve(keys_file=file("quota_gpu_seconds = 10")) as http:
        told = [(await http.post("/api/jobs", json=BODY, headers=SHOP)).headers["X-Quota-Remaining"] for _ in range(4)]
        assert told == ["1", "0", "0", "0"]
        refused = await http.post("/api/jobs", json=BODY, headers=SHOP)
        assert refused.json()["error"]["details"]["unit"] == "gpu_seconds"


async def test_the_operators_table(serve, valkey, file, succeed, monkeypatch, capsys):
    monkeypatch.setenv("REDIS_URL", valkey.url)
    monkeypatch.setenv("KEYS_FILE", str(file()))
    async with serve(keys_file=file(), api_keys=("unnamed",)) as http:
        for key in (SHOP, {"X-API-Key": "unnamed"}):
            succeed((await http.post("/api/jobs", json=BODY, headers=key)).json()["id"])
    period = ("--from", ALL["from"], "--to", ALL["to"])
    capsys.readouterr()  # what the API has logged
    usage.main([*period, "--csv"])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["key"], row["succeeded"], row["images"]) for row in rows] == [
        (auth.digest("unnamed")[:12], "1", "1"),
        ("other", "0", "0"),
        ("shop", "1", "1"),
    ]
    usage.main([*period, "--by-day"])
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == list(usage.HEAD)
    assert [line.split()[0] for line in lines] == [auth.digest("unnamed")[:12], "shop"]
    with pytest.raises(SystemExit) as ended:
        usage.main(["--from", "2026-11-02", "--to", "2026-11-01"])
    assert ended.value.code == 2
    assert "2026-11-02 is after --to" in capsys.readouterr().err
