"""/watch: figures for everybody, whole for an operator, whose actions go through the ledger and into the audit log."""

import json
import re
from pathlib import Path

import pytest
import structlog
import yaml

from api import conditions
from api.auth import digest
from shared import workers
from shared.jobs import Failure, JobStatus
from shared.ledger import moves, reads
from shared.workers import WorkerInfo

BODY = {"prompt": "a red fox", "sizes": [64]}
KEYS = {"api_keys": ("app",), "operator_keys": ("chief",)}
APP, CHIEF = {"X-API-Key": "app"}, {"X-API-Key": "chief"}
CARD = {
    "model": "m",
    "device_type": "cuda",
    "device_name": "H100",
    "memory_total_bytes": 80,
    "gpu_memory_used_bytes": 30,
}


async def submit(http, **body):
    return (await http.post("/api/jobs", json=BODY | body, headers=APP)).json()["id"]


def fail(ledger, job_id):
    ledger.run(moves.fail(job_id, code=Failure.OUTPUT_BLACK, message="it was black", ttl_seconds=600))


async def audited(http):
    return [
        (note["action"], note["target"], note["outcome"])
        for note in reversed((await http.get("/watch/figures", headers=CHIEF)).json()["audit"])
    ]


async def test_everybody_sees_figures_and_only_an_operator_what_they_are_of(serve, ledger, client):
    async with serve(**KEYS) as http:
        drawn, failed, waits = [await submit(http) for _ in range(3)]
        claimed = ledger.run(moves.claim(drawn, worker="g1", delivery="d")).job
        ledger.run(moves.renew(drawn, claimed.attempt, step=3, steps=8))
        fail(ledger, failed)
        workers.publish(client, WorkerInfo("g1", ready=True, job_id=drawn, **CARD))
        whole = (await http.get("/watch/figures", headers=CHIEF)).json()
        for headers in ({}, APP, {"X-API-Key": "wrong"}):
            shown = await http.get("/watch/figures", headers=headers)
            assert shown.status_code == 200
            for secret in (drawn, failed, waits, "a red fox", "it was black", digest("app")[:8]):
                assert secret not in shown.text
            assert (shown.json()["whole"], shown.json()["audit"]) == (False, [])
    (worker,) = whole["workers"]
    assert (worker["job"]["id"], worker["job"]["step"], worker["job"]["steps"]) == (drawn, 3, 8)
    assert (worker["memory_used_bytes"], worker["memory_total_bytes"]) == (30, 80)
    (group,) = whole["queue"]
    assert (group["key"], group["priority"], group["jobs"]) == (digest("app")[:8], "normal", 1)
    assert [(end["id"], end["status"], end["message"]) for end in whole["ends"]] == [(failed, "failed", "it was black")]
    assert {alert["alert"] for alert in whole["alerts"]} >= {"LogoNoSweeper", "LogoJobsFailing"}


async def test_without_operators_keys_nobody_acts(serve):
    async with serve() as http:
        job_id = (await http.post("/api/jobs", json=BODY)).json()["id"]
        for path in (f"jobs/{job_id}/cancel", f"jobs/{job_id}/requeue", "workers/g1/pause"):
            for headers in ({}, CHIEF):
                assert (await http.post(f"/watch/{path}", headers=headers)).status_code == 401
        assert (await http.get("/watch/figures")).json()["whole"] is False


async def test_a_key_of_jobs_is_none_of_operators_and_the_other_way_round(serve):
    async with serve(**KEYS) as http:
        job_id = await submit(http)
        assert (await http.post(f"/watch/jobs/{job_id}/cancel", headers=APP)).status_code == 401
        assert (await http.get("/api/jobs", headers=CHIEF)).status_code == 401


async def test_an_operator_cancels_any_job_and_both_logs_say_so(serve, ledger):
    async with serve(**KEYS) as http:
        job_id = await submit(http)
        with structlog.testing.capture_logs() as logs:
            answer = await http.post(f"/watch/jobs/{job_id}/cancel", headers=CHIEF)
        assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
        assert ledger.run(reads.job(job_id)).job.status is JobStatus.CANCELED
        assert await audited(http) == [("cancel", job_id, "asked"), ("cancel", job_id, "moved")]
    (line,) = [entry for entry in logs if entry["event"] == "operator.acted"]
    assert (line["operator"], line["action"], line["target"]) == (digest("chief")[:8], "cancel", job_id)


async def test_a_failed_job_is_queued_again_as_one_new_job_of_its_owner(serve, ledger):
    async with serve(**KEYS) as http:
        job_id = await submit(http, seed=7, formats=["png", "svg"], priority="high")
        early = await http.post(f"/watch/jobs/{job_id}/requeue", headers=CHIEF)
        assert (early.status_code, early.json()["error"]["code"]) == (409, "job_not_successful")
        fail(ledger, job_id)
        made = [(await http.post(f"/watch/jobs/{job_id}/requeue", headers=CHIEF)).json()["job_id"] for _ in range(2)]
        assert made[0] == made[1]
        mine = (await http.get(f"/api/jobs/{made[0]}", headers=APP)).json()
        assert (mine["status"], mine["seed"], mine["priority"], mine["error"]) == ("queued", 7, "high", None)
        old, new = ledger.run(reads.job(job_id)).job, ledger.run(reads.job(made[0])).job
        assert old.status is JobStatus.FAILED
        assert (new.owner, new.formats, new.attempt, new.finished_at) == (old.owner, ("png", "svg"), 0, 0)
        assert ledger.run(reads.queued()) == [made[0]]


async def test_a_worker_learns_by_its_heartbeat_that_it_is_held(serve, client):
    async with serve(**KEYS) as http:
        missing = await http.post("/watch/workers/g1/pause", headers=CHIEF)
        assert missing.json()["error"]["message"] == "name: no worker g1 is alive"
        info = WorkerInfo("g1", ready=True, **CARD)
        assert workers.publish(client, info) == ""
        for action, hold, outcome in (
            ("pause", "paused", "moved"),
            ("pause", "paused", "already"),
            ("drain", "draining", "moved"),
            ("resume", "", "moved"),
        ):
            answer = await http.post(f"/watch/workers/g1/{action}", headers=CHIEF)
            assert (answer.json(), workers.publish(client, info)) == ({"outcome": outcome}, hold)
        await http.post("/watch/workers/g1/drain", headers=CHIEF)
        workers.retire(client, "g1")
        assert workers.publish(client, info) == ""
        assert (await audited(http))[:2] == [("pause", "g1", "asked"), ("pause", "g1", "missing")]


async def test_the_audit_log_is_bounded(ledger, client):
    from shared.ledger import audit  # noqa: PLC0415

    for number in range(audit.MAX_NOTES + 300):
        ledger.run(audit.note("0c4115f0", "cancel", f"{number:036}"))
    assert audit.MAX_NOTES <= client.xlen("logo:audit") < audit.MAX_NOTES + 200
    assert [int(note.target) for note in ledger.run(audit.recent(2))] == [10_299, 10_298]
    assert client.memory_usage("logo:audit", samples=0) < 1_000_000


RULES = yaml.safe_load((Path(__file__).parents[3] / "deploy/prometheus/rules.yml").read_text())
EXPRESSIONS = {rule["alert"]: rule["expr"] for group in RULES["groups"] for rule in group["rules"] if "alert" in rule}


@pytest.mark.parametrize(
    ("alert", "threshold"),
    [
        ("LogoQueueOld", conditions.QUEUE_OLD_SECONDS),
        ("LogoJobsFailing", conditions.FAILING_SHARE),
        ("LogoEventsLag", conditions.EVENTS_LAG_SECONDS),
        ("LogoApiLate", conditions.LOOP_LAG_SECONDS),
        ("LogoRedisMemory", conditions.REDIS_MEMORY_SHARE),
    ],
)
def test_a_condition_has_the_threshold_of_its_alert(alert, threshold):
    assert float(re.findall(r"> ([\d.]+)$", EXPRESSIONS[alert])[0]) == threshold


def test_each_condition_is_an_alert():
    source = Path(conditions.__file__).read_text()
    assert set(re.findall(r'yield "(\w+)"', source)) <= set(EXPRESSIONS)


async def test_the_page_has_no_figures_of_its_own(serve):
    async with serve() as http:
        page = await http.get("/watch", headers={"Accept": "text/html"})
    assert json.loads(re.search(r'id="options">(.*?)</script>', page.text)[1]).keys() == {"version"}
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
