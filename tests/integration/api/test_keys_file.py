"""Keys as records: what each may do, and that the file is read again."""

import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from api import auth, keys
from api.settings import ApiSettings
from shared.ledger import moves, reads
from shared.ledger.keys import SHARES, job
from shared.settings import load
from worker.webhook.main import WebhookSettings

BODY = {"prompt": "a red fox", "sizes": [64]}
SECRET = "whsec_" + "bmV3" * 8


class File:
    def __init__(self, path):
        self.path, self.entries = path, {}

    def write(self, **entries):
        """{name: its fields, as TOML has them}; each name is its key too."""
        self.path.write_text(
            "".join(
                f'[[key]]\nname = "{name}"\nhash = "{auth.digest(name)}"\n{fields}\n'
                for name, fields in entries.items()
            )
        )


@pytest.fixture
def file(tmp_path):
    return File(tmp_path / "keys.toml")


def as_(name):
    return {"X-API-Key": name}


async def test_records_beside_plain_keys(serve, file):
    file.write(shop="")
    async with serve(keys_file=file.path, api_keys=("plain",)) as http:
        codes = [(await http.get("/api/jobs", headers=as_(name))).status_code for name in ("shop", "plain", "other")]
        assert codes == [200, 200, 401]
        file.write(other="")
        codes = [(await http.get("/api/jobs", headers=as_(name))).status_code for name in ("shop", "plain", "other")]
        assert codes == [401, 200, 200]


async def test_a_file_of_no_keys_opens_nothing(serve, file):
    file.path.write_text("")
    async with serve(keys_file=file.path) as http:
        assert (await http.get("/api/jobs")).status_code == 401


async def test_a_broken_file_keeps_the_keys_and_says_so(serve, file):
    file.write(shop="")
    async with serve(keys_file=file.path) as http:
        assert "\nlogo_keys_file_broken 0.0" in (await http.get("/metrics")).text
        file.write(other="weight = 0")
        assert (await http.get("/api/jobs", headers=as_("shop"))).status_code == 200
        assert (await http.get("/api/jobs", headers=as_("other"))).status_code == 401
        assert "\nlogo_keys_file_broken 1.0" in (await http.get("/metrics")).text


async def test_bounds_and_rates_of_its_own(serve, file):
    file.write(small="max_queued = 1\nmax_queued_high = 1", slow='rate = "2/hour"', plain="")
    async with serve(keys_file=file.path, max_queued_per_key=3, rate_limit="1000/minute") as http:

        async def codes(name):
            answers = [await http.post("/api/jobs", json=BODY, headers=as_(name)) for _ in range(4)]
            return [(answer.json()["error"] or {}).get("code", "") for answer in answers], answers[-1].json()["detail"]

        assert await codes("small") == (["", *["too_many_queued"] * 3], "1 jobs of this key are queued, the bound is 1")
        assert await codes("slow") == (["", "", *["too_many_requests"] * 2], "more than 2 per 1 hour from this caller")
        assert await codes("plain") == (
            ["", "", "", "too_many_queued"],
            "3 jobs of this key are queued, the bound is 3",
        )


async def test_priorities_that_a_key_may_use(serve, file):
    file.write(modest='priorities = ["low"]')
    async with serve(keys_file=file.path) as http:
        answer = await http.post("/api/jobs", json=BODY | {"priority": "high"}, headers=as_("modest"))
        assert (answer.status_code, answer.json()["detail"]) == (422, "priority: this key may use low")
        # Who names none gets what it may have, the released app and other protocols too.
        answer = await http.post("/api/jobs", json=BODY, headers=as_("modest"))
        assert (answer.status_code, answer.json()["priority"]) == (202, "low")


async def test_a_key_that_has_expired(serve, file):
    at = datetime.now(UTC)
    file.write(
        old=f"expires_at = {at - timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}", new=f"expires_at = {at.year + 1}-01-01"
    )
    async with serve(keys_file=file.path) as http:
        answer = await http.get("/api/jobs", headers=as_("old"))
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
        assert "was valid until" in answer.json()["detail"]
        assert (await http.get("/api/jobs", headers=as_("new"))).status_code == 200


async def test_weight_and_retention_go_with_the_job(serve, file, ledger, client):
    file.write(shop="weight = 2.5\nresult_ttl_seconds = 77\njob_ttl_seconds = 88")
    async with serve(keys_file=file.path) as http:
        made = (await http.post("/api/jobs", json=BODY, headers=as_("shop"))).json()["id"]
        assert float(client.hget(SHARES, f"weight:{auth.digest('shop')}")) == 2.5
        found = ledger.run(reads.job(made)).job
        assert (found.result_ttl_seconds, found.job_ttl_seconds) == (77, 88)
        await http.delete(f"/api/jobs/{made}", headers=as_("shop"))
        assert 80 <= client.ttl(job(made)) <= 88
        file.write(shop="")
        made = (await http.post("/api/jobs", json=BODY, headers=as_("shop"))).json()["id"]
        assert client.hget(SHARES, f"weight:{auth.digest('shop')}") is None
        ledger.run(moves.fail(made, code="c", message="m", ttl_seconds=60))
        assert 50 <= client.ttl(job(made)) <= 60


async def test_webhook_secrets_of_its_own(serve, file):
    file.write(shop=f'webhook_secrets = ["{SECRET}"]', plain="")
    async with serve(keys_file=file.path) as http:
        hook = BODY | {"webhook_url": "https://93.184.216.34/"}
        codes = [(await http.post("/api/jobs", json=hook, headers=as_(name))).status_code for name in ("shop", "plain")]
        assert codes == [202, 422]


@pytest.mark.parametrize("kind", [ApiSettings, WebhookSettings])
def test_no_process_starts_with_a_broken_file(file, kind, monkeypatch, capsys):
    file.write(shop="quota_images = -1")
    monkeypatch.setenv("KEYS_FILE", str(file.path))
    with pytest.raises(SystemExit) as ended:
        load(kind)
    printed = capsys.readouterr().err
    assert (ended.value.code, printed.count("\n")) == (2, 1)
    assert "KEYS_FILE" in printed
    assert "key 1 (shop): quota_images: " in printed


def run(*arguments, **env):
    command = [sys.executable, "-m", "api.keys", *arguments]
    return subprocess.run(command, env=os.environ | env, capture_output=True, text=True, check=False)


async def test_a_new_key_is_printed_once_and_works(serve, file):
    made = run("new", "shop", KEYS_FILE=str(file.path))
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert key not in file.path.read_text()
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    async with serve(keys_file=file.path) as http:
        assert (await http.get("/api/jobs", headers=as_(key))).status_code == 200
        second = keys.new("app", file.path)
        assert (await http.get("/api/jobs", headers=as_(second))).status_code == 200
    again = run("new", "shop", KEYS_FILE=str(file.path))
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "two keys have shop" in again.stderr
    with pytest.raises(ValueError, match="NAME: "):
        keys.new('a"\n', file.path)
