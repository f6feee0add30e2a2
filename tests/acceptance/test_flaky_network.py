"""Jobs and held calls over a network that cuts connections: each makes one job, each result and cancel arrives."""

import base64
import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from flaky_proxy import FlakyProxy

from shared.ledger import moves
from shared.results import places
from shared.results.redis_store import RedisResults

JOBS, CLIENTS, SEED = 200, 16, 7
TERMINAL = ("succeeded", "failed", "canceled", "expired")


@pytest.fixture
def proxy(stack):
    with FlakyProxy(httpx.URL(stack.url).port, SEED) as proxy:
        yield proxy


def patiently(http, method, path, **options):
    """As the client guide says: a request that was cut, or found the server out of reach, is sent again unchanged."""
    for _ in range(60):
        try:
            answer = http.request(method, path, **options)
        except httpx.TransportError:
            continue
        if answer.status_code == 503:
            continue
        assert answer.is_success, answer.text
        return answer
    raise AssertionError("no answer to 60 requests")


@pytest.mark.parametrize(
    "drawn",
    [
        pytest.param(8, id="one in eight is drawn, the others are canceled"),
        pytest.param(1, id="all are drawn", marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
    ],
)
def test_each_submit_is_one_job_and_each_result_arrives(stack, proxy, drawn):
    """Most jobs are canceled, because two hundred drawings would take minutes."""
    before = {job["id"] for job in listed(stack)}

    def one(seed):
        with httpx.Client(base_url=proxy.url, timeout=20, verify=False) as http:
            body = {"prompt": "a red fox", "sizes": [64], "seed": seed, "steps": 1}
            key = {"Idempotency-Key": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{drawn}-{seed}"))}
            job = patiently(http, "POST", "/api/jobs", json=body, headers=key).json()
            if seed % drawn:
                job = patiently(http, "DELETE", f"/api/jobs/{job['id']}").json()
            accepted = job["cancel_requested"] and job["status"] not in TERMINAL
            while job["status"] not in TERMINAL:
                job = patiently(http, "GET", f"/api/jobs/{job['id']}?wait=10&include=none").json()
            image = b"" if seed % drawn else patiently(http, "GET", job["urls"]["images"]["64"]).content
            assert not accepted or job["status"] == "canceled"
            return job["id"], job["status"], job["seed"], image

    with ThreadPoolExecutor(CLIENTS) as pool:
        done = list(pool.map(one, range(JOBS)))
    assert [seed for _, _, seed, _ in done] == list(range(JOBS))
    kept = done[::drawn]
    canceled = [entry for seed, entry in enumerate(done) if seed % drawn]
    assert {status for _, status, *_ in kept} == {"succeeded"}
    assert all(image.startswith(b"\x89PNG") and image.endswith(b"IEND\xaeB`\x82") for *_, image in kept)
    # A job that was drawn before its cancel arrived stays succeeded.
    ends = Counter(status for _, status, *_ in canceled)
    assert set(ends) <= {"canceled", "succeeded"}
    assert ends["canceled"] >= len(canceled) / 2
    # There are as many jobs as keys, whatever was repeated.
    assert {job["id"] for job in listed(stack)} - before == {job_id for job_id, *_ in done}
    assert len({job_id for job_id, *_ in done}) == JOBS
    assert proxy.cuts > JOBS / 4


def repeat_blindly(proxy, calls):
    """Makes held calls over the network, each until it is answered; prints and returns the figures."""

    def one(number):
        body = {"prompt": f"a red fox, number {number}", "sizes": [64]}
        with httpx.Client(base_url=proxy.url, timeout=120, verify=False) as http:
            answer = patiently(http, "POST", "/api/generate_logo", json=body).json()
        return answer["prompt"], base64.b64decode(answer["images"]["64"])[:4]

    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(one, range(calls)))
    assert answers == [(f"a red fox, number {number}", b"\x89PNG") for number in range(calls)]
    print(f"{calls} calls, {proxy.connections} connections, {proxy.cuts} cuts")
    assert proxy.cuts > calls / 4


def test_the_apps_held_call_repeated_blindly_draws_once(new_api, client, ledger):
    """An API process, whose jobs this test draws at once. One in twenty may be drawn again, its cut seen late."""
    over, drawn = threading.Event(), []

    def draw():
        while not over.wait(0.02):
            while (job := ledger.run(moves.claim_next(worker="w", delivery=str(len(drawn)))).job) is not None:
                drawn.append(job.id)
                ledger.run(moves.finish(job.id, 1, width=64, height=64, model="m"))
                png = base64.b64encode(b"\x89PNG" + bytes(4000)).decode()
                RedisResults(ledger.client).put(places.images(job.id, 1), {"64": png}, 600)
                ledger.run(moves.succeed(job.id, 1, images_ttl_seconds=600, ttl_seconds=600))

    worker = threading.Thread(target=draw)
    worker.start()
    try:
        with FlakyProxy(new_api().port, SEED) as proxy:
            repeat_blindly(proxy, 200)
    finally:
        over.set()
        worker.join()
    print(f"{len(drawn)} drawings")
    assert 200 <= len(drawn) <= 210


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_same_with_the_whole_stack(new_stack):
    stack = new_stack(DEFAULT_INFERENCE_STEPS="1")
    with FlakyProxy(httpx.URL(stack.url).port, SEED) as proxy:
        repeat_blindly(proxy, 200)
    drawings = len(listed(stack))
    print(f"{drawings} drawings")
    assert 200 <= drawings <= 210


def listed(stack):
    jobs, cursor = [], ""
    while cursor is not None:
        page = stack.http.get("/api/jobs", params={"limit": 100} | ({"cursor": cursor} if cursor else {})).json()
        jobs, cursor = jobs + page["jobs"], page["next_cursor"]
    return jobs
