"""A process that is late refuses new calls, and blames nobody else for its time-outs."""

import asyncio
import time

import pytest
from redis.exceptions import TimeoutError as RedisTimeoutError

from api import overload, turns
from api.loop_lag import LoopLag
from shared.ledger.run import AsyncLedger

BODY = {"prompt": "a red fox", "sizes": [64]}


@pytest.fixture
def late(monkeypatch):
    """Every process is late, as if by 3 s, and has calls at work."""
    monkeypatch.setattr(LoopLag, "seconds", property(lambda _: 3.0))
    monkeypatch.setattr(overload, "FEW_CALLS", -1)


async def test_new_calls_are_refused_before_they_cost_anything(serve, client, late):
    async with serve(cors_origins=("https://app.example",), max_loop_lag_seconds=1) as http:
        before = client.info("commandstats")
        for method, path in (("POST", "/api/jobs"), ("GET", "/api/jobs/x"), ("POST", "/api/generate_logo")):
            answer = await http.request(method, path, json=BODY, headers={"Origin": "https://app.example"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "overloaded")
            assert "3.0 s late" in answer.json()["detail"]
            assert 1 <= int(answer.headers["Retry-After"]) <= 10
            assert answer.headers["X-Request-ID"]
            assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
        openai = await http.post("/v1/images/generations", json={"prompt": "a red fox"})
        assert (openai.status_code, openai.json()["error"]["code"]) == (503, "overloaded")
        assert openai.json()["error"]["type"] == "server_error"
        asked = {"cmdstat_evalsha", "cmdstat_eval", "cmdstat_lpush"}
        assert {name: client.info("commandstats").get(name) for name in asked} == {n: before.get(n) for n in asked}
        assert "logo_http_refused_total 4.0" in (await http.get("/metrics")).text


async def test_probes_metrics_and_cancels_are_taken(serve, late, monkeypatch):
    async with serve() as http:
        monkeypatch.setattr(LoopLag, "is_late", False)
        job = (await http.post("/api/jobs", json=BODY)).json()
        monkeypatch.setattr(LoopLag, "is_late", True)
        assert (await http.get("/health/live")).is_success
        assert "logo_loop_lag_seconds 3.0" in (await http.get("/metrics")).text
        assert (await http.delete(job["urls"]["cancel"])).json()["status"] == "canceled"


async def test_with_few_calls_at_work_a_late_process_takes_more(serve, monkeypatch):
    """To refuse would not help: something else takes the core."""
    monkeypatch.setattr(LoopLag, "seconds", property(lambda _: 3.0))
    async with serve() as http:
        assert (await http.post("/api/jobs", json=BODY)).status_code == 202


@pytest.mark.parametrize(("lag", "code"), [(3.0, "overloaded"), (0.0, "service_unavailable")])
async def test_a_time_out_is_blamed_on_who_was_late(serve, ledger, monkeypatch, lag, code):
    monkeypatch.setattr(LoopLag, "recent_seconds", property(lambda _: lag))

    async def times_out(*_):
        raise RedisTimeoutError("Timeout reading from redis")

    async with serve() as http:
        monkeypatch.setattr("api.shared_reads.SharedReads.job", times_out)
        answer = await http.get("/api/jobs/00000000-0000-4000-8000-000000000000")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, code)
        assert int(answer.headers["Retry-After"]) >= 1


async def test_the_lag_is_that_of_the_loop_and_is_soon_forgotten(monkeypatch):
    lag = LoopLag(0.5)
    assert lag.seconds == 0
    with lag.running():
        await asyncio.sleep(0.01)
        time.sleep(1)  # noqa: ASYNC251 - makes the loop late
        assert lag.seconds >= 0.9
        assert lag.is_late
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert lag.recent_seconds >= 0.9
        now = asyncio.get_running_loop().time
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now() + 3)
        lag._due += 3
        assert lag.recent_seconds < 0.5


async def test_a_thousand_polls_at_once_are_answered(serve):
    """More than the connections to Redis: they share round trips."""
    async with serve() as http:
        job = (await http.post("/api/jobs", json=BODY)).json()
        polls = [http.get(f"/api/jobs/{job['id']}", params={"include": "none"}) for _ in range(1000)]
        answers = await asyncio.gather(*polls)
    assert {answer.status_code for answer in answers} <= {200, 429, 503}
    assert {a.json()["error"]["code"] for a in answers if a.is_error} <= {"overloaded", "too_many_requests"}
    assert any(answer.is_success for answer in answers)


async def test_a_call_is_not_behind_the_hundreds_of_another_caller(serve, monkeypatch):
    monkeypatch.setattr(turns, "ON_TIME_SECONDS", -1)  # as in a process that they keep busy
    monkeypatch.setattr(turns, "MOST_SECONDS", 60)
    keys = ("greedy-key-of-16-characters", "other-key-of-16-characters")
    async with serve(api_keys=keys, max_loop_lag_seconds=60) as http:
        greedy, other = ({"X-API-Key": key} for key in keys)
        calls = [asyncio.create_task(http.get("/api/jobs", headers=greedy)) for _ in range(300)]
        while not any(call.done() for call in calls):
            await asyncio.sleep(0)
        job = (await http.post("/api/jobs", json=BODY, headers=other)).json()
        assert (await http.get(f"/api/jobs/{job['id']}", headers=other)).is_success
        answered = sum(call.done() for call in calls)
        assert {answer.status_code for answer in await asyncio.gather(*calls)} == {200}
    assert answered < 150


async def test_who_waits_too_long_for_a_turn_hears_why(serve, monkeypatch):
    monkeypatch.setattr(turns, "ON_TIME_SECONDS", -1)
    monkeypatch.setattr(turns, "MOST_SECONDS", 0.001)
    monkeypatch.setattr(turns, "TURNS", 1)
    monkeypatch.setattr("api.shared_reads.SharedReads.job", lambda *_: asyncio.sleep(0.2))
    async with serve() as http:
        url = "/api/jobs/00000000-0000-4000-8000-000000000000"
        answers = await asyncio.gather(*(http.get(url) for _ in range(3)))
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        for answer in refused:
            assert answer.json()["error"]["code"] == "too_many_requests"
            assert "of this caller" in answer.json()["detail"]
            assert 1 <= int(answer.headers["Retry-After"]) <= 10


@pytest.mark.parametrize(("lag", "code"), [(3.0, "overloaded"), (0.0, "service_unavailable")])
async def test_a_submit_without_an_answer_is_blamed_on_who_was_late(serve, monkeypatch, lag, code):
    """The job may exist, whoever was late: the caller hears how to find out, and no repeat is made for it."""
    monkeypatch.setattr(LoopLag, "recent_seconds", property(lambda _: lag))
    run = AsyncLedger.run

    async def times_out(self, command):
        await run(self, command)
        raise RedisTimeoutError("Timeout reading from redis")

    async with serve() as http:
        monkeypatch.setattr(AsyncLedger, "run", times_out)
        answer = await http.post("/api/jobs", json=BODY, headers={"Idempotency-Key": "k"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, code)
        assert answer.json()["error"]["details"] == {"created": "unknown", "idempotency_key": "k"}
        assert int(answer.headers["Retry-After"]) >= 1
        # A held call whose job may exist: an equal call joins it.
        cut = await http.post("/api/generate_logo", json=BODY)
        assert (cut.status_code, cut.json()["error"]["code"]) == (503, code)
        monkeypatch.setattr(AsyncLedger, "run", run)
        first = (await http.get("/api/jobs")).json()["jobs"][0]["id"]
        again = asyncio.create_task(http.post("/api/generate_logo", json=BODY))
        while not http._transport.app.state.services.waiting._waiters:
            await asyncio.sleep(0.01)
        assert list(http._transport.app.state.services.waiting._waiters) == [first]
        await http.delete(f"/api/jobs/{first}")
        await again
