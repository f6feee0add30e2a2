"""Webhooks: a real receiver, the public library's verification, retries, a sender that is killed, forged requests."""

import asyncio
import contextlib
import functools
import hashlib
import http.server
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from types import SimpleNamespace

import pytest
import standardwebhooks

from shared.addresses import may_be_called
from shared.jobs import Job, JobStatus
from shared.ledger import keys, moves, reads, webhook_places, webhooks
from shared.ledger.run import Ledger
from shared.queue import WEBHOOK, waiting_job_ids
from shared.results.redis_store import RedisResults
from shared.stack.serve import free_port
from worker.settings import WorkerSettings
from worker.sweeper import Sweeper
from worker.webhook import sender as sending
from worker.webhook.sender import Sender

OLD, NEW = "whsec_" + "b2xk" * 8, "whsec_" + "bmV3" * 8
LOOPBACK = "127.0.0.1/32"
PUBLIC = "https://logos.example"
BODY = {"prompt": "a red fox", "sizes": [64]}


@pytest.fixture
def receiver():
    """A server that gives `answers` in turn, then 204. An answer is a status, (status, headers) or an event to wait for
    instead of answering. `got` has (path, headers, body) of each request.
    """
    made = SimpleNamespace(answers=[], got=[])

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = made.answers.pop(0) if made.answers else 204
            made.got.append((self.path, dict(self.headers), body))
            if isinstance(answer, threading.Event):
                answer.wait(30)
                return
            status, headers = answer if isinstance(answer, tuple) else (answer, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}/hook?a=1"
    made.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def settings(valkey):
    def _settings(**options):
        known = {"webhook_secrets": NEW, "webhook_allow_http": True, "webhook_allowed_networks": LOOPBACK}
        return WorkerSettings(_env_file=None, redis_url=valkey.url, **known | options)

    return _settings


@pytest.fixture
def ended(ledger, receiver):
    """A canceled job with a webhook, which is due."""

    def _ended(url=None, job_id="job", owner=""):
        job = Job(
            id=job_id,
            status=JobStatus.QUEUED,
            prompt="fox",
            sizes=(64,),
            seed=1,
            webhook_url=url or receiver.url,
            owner=owner,
        )
        ledger.run(moves.create(job, max_queue=99))
        assert job_id not in ledger.run(webhooks.due())
        ledger.run(moves.cancel(job_id, ttl_seconds=60))
        assert job_id in ledger.run(webhooks.due())

    return _ended


@pytest.fixture
def due_in(client):
    def _seconds(job_id="job"):
        score = client.zscore(keys.WEBHOOKS, job_id)
        return None if score is None else score / 1000 - client.time()[0]

    return _seconds


def verified(request, secret=NEW):
    _, headers, body = request
    return standardwebhooks.Webhook(secret).verify(body, headers)


@pytest.fixture
def public(serve, settings):
    """The settings of a service that signs URLs, and its API with them."""
    options = {"webhook_secrets": f"{NEW},{OLD}", "public_url": PUBLIC, "url_signing_keys": "s" * 32}
    config = settings(**options)
    known = {name: getattr(config, name) for name in (*options, "webhook_allow_http", "webhook_allowed_networks")}
    return config, functools.partial(serve, **known)


async def test_from_the_submit_to_the_receiver(public, ledger, receiver, succeed, celery_app):
    config, serve = public
    async with serve() as http:
        job = (await http.post("/api/jobs", json=BODY | {"webhook_url": receiver.url})).json()
        succeed(job["id"])
        Sweeper(ledger, RedisResults(ledger.client), celery_app, 60).send_webhooks()
        assert waiting_job_ids(ledger.client, WEBHOOK) == {job["id"]}
        assert ledger.run(webhooks.due()) == []
        await asyncio.to_thread(Sender(ledger, config).deliver, job["id"])
        (request,) = receiver.got
        path, headers, _ = request
        assert (path, headers["webhook-id"], headers["content-type"]) == ("/hook?a=1", job["id"], "application/json")
        event = verified(request)
        assert event == verified(request, OLD)
        assert (event["type"], event["data"]["id"], event["data"]["status"]) == (
            "job.succeeded",
            job["id"],
            "succeeded",
        )
        assert event["data"]["images"] is None
        url = event["data"]["urls"]["images"]["64"]
        assert url.startswith(f"{PUBLIC}/api/jobs/")
        assert (await http.get(url.removeprefix(PUBLIC))).content.startswith(b"\x89PNG")
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            verified(request, "whsec_" + "YmFk" * 8)
    assert ledger.client.zcard(keys.WEBHOOKS) == 0


async def test_variations_are_told_with_signed_urls(public, receiver, succeed, ledger):
    config, serve = public
    async with serve(api_keys=("mine",)) as http:
        body = BODY | {"webhook_url": receiver.url, "num_images": 2, "seed": 5}
        job = (await http.post("/api/jobs", json=body, headers={"X-API-Key": "mine"})).json()
        succeed(job["id"])
        await asyncio.to_thread(Sender(ledger, config).deliver, job["id"])
        data = verified(receiver.got[0])["data"]
        told = [(variation["seed"], variation["images"]) for variation in data["variations"]]
        assert (data["num_images"], data["images"], told) == (2, None, [(5, None), (6, None)])
        first, second = (variation["urls"]["64"] for variation in data["variations"])
        assert data["urls"]["images"] == {"64": first}
        for url, name in ((first, "64.png"), (second, "64-2.png")):
            assert url.startswith(f"{PUBLIC}/api/jobs/{job['id']}/images/{name}?expires=")
            # These need no API key.
            assert (await http.get(url.removeprefix(PUBLIC))).content.startswith(b"\x89PNG")


@pytest.mark.parametrize("status", ["succeeded", "failed", "canceled", "expired"])
def test_each_end_has_its_event(ledger, receiver, ended, settings, status, succeed, client):
    job = Job(id="job", status=JobStatus.QUEUED, prompt="fox", sizes=(64,), seed=1, webhook_url=receiver.url)
    ledger.run(moves.create(job, max_queue=9))
    match status:
        case "succeeded":
            succeed("job")
        case "failed":
            ledger.run(moves.fail("job", code="poison", message="no", ttl_seconds=60))
        case "canceled":
            ledger.run(moves.request_cancel("job", ttl_seconds=60))
        case "expired":
            ledger.run(moves.expire("job", ttl_seconds=60))
    Sender(ledger, settings()).deliver("job")
    assert verified(receiver.got[0])["type"] == f"job.{status}"


def test_a_prediction_is_told_as_replicate_does(ledger, receiver, ended, settings, client):
    ended()
    client.hset(keys.job("job"), "webhook_shape", "prediction")
    Sender(ledger, settings(public_url=PUBLIC)).deliver("job")
    _, headers, body = receiver.got[0]
    told = standardwebhooks.Webhook(NEW).verify(body, headers)
    assert (told["id"], told["status"], told["output"]) == ("job", "canceled", None)
    assert told["urls"] == {
        name: f"{PUBLIC}/v1/predictions/job{end}" for name, end in (("get", ""), ("cancel", "/cancel"))
    }


def test_a_job_without_a_url_has_no_webhook(ledger, client):
    ledger.run(moves.create(Job(id="j", status=JobStatus.QUEUED, prompt="fox", sizes=(64,), seed=1), max_queue=9))
    ledger.run(moves.cancel("j", ttl_seconds=60))
    assert client.zcard(keys.WEBHOOKS) == 0


def test_retries_after_a_500_then_delivers(ledger, receiver, ended, settings, due_in):
    receiver.answers = [500, 503]
    ended()
    sender = Sender(ledger, settings())
    for seconds in webhooks.RETRY_SECONDS[:2]:
        sender.deliver("job")
        assert due_in() == pytest.approx(seconds, abs=2)
    sender.deliver("job")
    assert due_in() is None
    assert {headers["webhook-id"] for _, headers, _ in receiver.got} == {"job"}
    assert len(receiver.got) == 3
    sender.deliver("job")  # a duplicate delivery
    assert len(receiver.got) == 3


def test_a_receiver_that_does_not_answer_is_tried_again(ledger, receiver, ended, settings, due_in, monkeypatch):
    monkeypatch.setattr(sending, "TRY_SECONDS", 0.2)
    receiver.answers = [threading.Event()]
    silent = receiver.answers[0]
    ended()
    Sender(ledger, settings()).deliver("job")
    silent.set()
    assert due_in() == pytest.approx(webhooks.RETRY_SECONDS[0], abs=2)


async def here(_host, _port):
    """Resolves every name to this machine."""
    return ["127.0.0.1"]


@pytest.mark.parametrize("hosts", [1, 60])
def test_dead_receivers_of_one_tenant_keep_no_other_waiting(
    valkey, receiver, ended, settings, client, due_in, monkeypatch, hosts
):
    """The senders of one worker take sixty webhooks that are not answered, and then another tenant's."""
    monkeypatch.setattr(sending, "TRY_SECONDS", 60)
    config, silent = settings(), threading.Event()
    receiver.answers = [silent] * 60
    for number in range(60):
        ended(f"http://dead-{number % hosts}.test:{receiver.port}/dead", f"dead-{number}", "heavy")
    ended(f"http://light.test:{receiver.port}/light", "light", "light")
    with ThreadPoolExecutor(config.webhook_concurrency) as pool:
        sender = Sender(Ledger(client), config, here)
        try:
            dead = [pool.submit(sender.deliver, f"dead-{number}") for number in range(60)]
            wait_for(lambda: len(receiver.got) == 6 and sum(task.done() for task in dead) == 54)
            receiver.answers.clear()
            pool.submit(sender.deliver, "light").result(25)
        finally:
            silent.set()
    assert [path for path, _, _ in receiver.got] == ["/dead"] * 6 + ["/light"]
    # Without a place there was no try.
    tries = [int(client.hget(f"logo:job:dead-{number}", "webhook_tries")) for number in range(60)]
    assert sorted(tries) == [0] * 54 + [1] * 6
    postponed = next(f"dead-{number}" for number in range(60) if not tries[number])
    assert due_in(postponed) <= webhook_places.BUSY_SECONDS + 1


def test_a_host_that_does_not_answer_keeps_one_place_until_it_does(receiver, ended, settings, due_in, ledger):
    sender = Sender(ledger, settings(), here)
    places = webhook_places.Places("one.test", "")
    dead = f"http://one.test:{free_port()}/hook"
    for number in range(webhook_places.MAX_FAILURES):
        ended(dead, f"dead-{number}")
        sender.deliver(f"dead-{number}")
    assert ledger.run(places.take("other", max_host=6, max_owner=0)) == 0
    ended(f"http://one.test:{receiver.port}/hook")
    sender.deliver("job")
    assert receiver.got == []
    assert due_in() == pytest.approx(webhook_places.FAILING_SECONDS, abs=2)
    ledger.run(places.leave("other", answered=None))
    sender.deliver("job")
    assert len(receiver.got) == 1
    assert ledger.run(places.take("other", max_host=6, max_owner=0)) == 0
    ended(f"http://one.test:{receiver.port}/hook", "next")
    sender.deliver("next")
    assert len(receiver.got) == 2


def test_tries_that_a_host_refuses_are_bounded_by_the_minute(receiver, ended, settings, due_in, ledger, client):
    """A key may name any host: one that submits and cancels without end must not aim its tries at a third party."""
    sender = Sender(ledger, settings(webhook_failures_per_minute=2))
    names = [f"refused-{number}" for number in range(5)]
    for name in names:
        ended(job_id=name, owner="attacker")
    receiver.answers[:] = [404, 500]
    for name in names:
        sender.deliver(name)
    assert len(receiver.got) == 2
    for name in names[2:]:
        assert 0 < due_in(name) <= 61
        assert client.hget(f"logo:job:{name}", "webhook_tries") in (None, b"0")
    # Another key's go on, as many as its receiver takes.
    for number in range(4):
        ended(job_id=f"taken-{number}", owner="neighbour")
        sender.deliver(f"taken-{number}")
    assert len(receiver.got) == 6
    client.delete("logo:webhook-failed:127.0.0.1:attacker")  # as its minute does
    sender.deliver(names[2])
    assert len(receiver.got) == 7


def test_a_key_has_secrets_of_its_own(receiver, ended, settings, ledger):
    key, other = hashlib.sha256(b"key").hexdigest(), hashlib.sha256(b"other").hexdigest()
    own, rotated = "whsec_" + "b3du" * 8, "whsec_" + "cm90" * 8
    config = settings(webhook_secrets_by_key=f"{key[:8]}:{own}, {key}:{rotated}")
    for job_id, owner, secrets in (("own", key, (own, rotated)), ("others", other, (NEW,)), ("none", "", (NEW,))):
        ended(job_id=job_id, owner=owner)
        Sender(ledger, config).deliver(job_id)
        for secret in (own, rotated, NEW):
            expected = contextlib.nullcontext() if secret in secrets else pytest.raises(Exception, match="signature")
            with expected:
                verified(receiver.got[-1], secret)


async def test_only_a_key_with_a_secret_may_name_a_webhook(serve):
    keys = ("the-key-with-a-secret", "the-key-without-one")
    caller = hashlib.sha256(keys[0].encode()).hexdigest()[:12]
    async with serve(api_keys=keys, webhook_secrets_by_key=(f"{caller}:{NEW}",)) as http:
        body = BODY | {"webhook_url": "https://example.com/"}
        statuses = [(await http.post("/api/jobs", json=body, headers={"X-API-Key": key})).status_code for key in keys]
    assert statuses == [202, 422]


@pytest.mark.parametrize("value", [NEW, f"1234567:{NEW}", f"1234567g:{NEW}", "12345678:whsec_AA", "12345678"])
def test_a_wrong_secret_of_a_key_is_refused(settings, value):
    with pytest.raises(ValueError, match="webhook_secrets_by_key"):
        settings(webhook_secrets_by_key=value)


def test_a_name_server_that_does_not_answer_is_not_waited_for(ledger, ended, settings, due_in, monkeypatch):
    answers = threading.Event()
    look_up = socket.getaddrinfo

    def silent(host, *rest, **options):
        return answers.wait(20) and [] if host == "silent.example" else look_up(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    monkeypatch.setattr(sending, "TRY_SECONDS", 0.2)
    ended("https://silent.example/hook")
    start = time.monotonic()
    Sender(ledger, settings()).deliver("job")
    took = time.monotonic() - start
    answers.set()
    assert took < 10
    assert due_in() == pytest.approx(webhooks.RETRY_SECONDS[0], abs=2)


@pytest.mark.parametrize(("answers", "tries"), [([410], 1), ([500] * 99, len(webhooks.RETRY_SECONDS) + 1)])
def test_it_is_given_up_in_the_end(ledger, receiver, ended, settings, due_in, answers, tries):
    receiver.answers = list(answers)
    ended()
    sender = Sender(ledger, settings())
    while due_in() is not None:
        sender.deliver("job")
    assert len(receiver.got) == tries
    counted = {field.decode(): int(value) for field, value in ledger.client.hgetall(keys.COUNTERS).items()}
    assert (counted.get("webhook:failed", 0), counted["webhook:given_up"]) == (tries - 1, 1)


def test_the_record_outlives_the_tries(ledger, receiver, ended, settings, client):
    """A job's record that is kept for a minute expired before the third try, and nothing said so."""
    receiver.answers = [500]
    ended()
    sender = Sender(ledger, settings(job_ttl_seconds=60, result_ttl_seconds=60))
    sender.deliver("job")
    assert client.ttl("logo:job:job") > sum(webhooks.RETRY_SECONDS) + len(webhooks.RETRY_SECONDS) * webhooks.TRY_SECONDS
    sender.deliver("job")
    assert len(receiver.got) == 2
    assert 0 < client.ttl("logo:job:job") <= 60


def test_redirects_are_not_followed(ledger, receiver, ended, settings, due_in):
    receiver.answers = [(307, {"Location": receiver.url.replace("hook", "inside")})]
    ended()
    Sender(ledger, settings()).deliver("job")
    assert [path for path, _, _ in receiver.got] == ["/hook?a=1"]
    assert due_in() is not None


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/hook", f"http://{'a' * 64}.example/hook", "http://no.invalid/"])
def test_no_receiver_is_tried_again(ledger, receiver, ended, settings, due_in, url):
    ended(url)
    Sender(ledger, settings()).deliver("job")
    assert due_in() is not None


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::ffff:127.0.0.1]"])
def test_no_way_to_write_it_leads_inside(ledger, receiver, ended, settings, due_in, host):
    ended(f"http://{host}:{receiver.port}/hook")
    Sender(ledger, settings(webhook_allowed_networks="")).deliver("job")
    assert (receiver.got, due_in()) == ([], None)


@pytest.mark.parametrize("first", [["127.0.0.1"], ["127.0.0.1", "127.0.0.2"]])
def test_a_name_is_resolved_once_and_all_its_addresses_are_checked(ledger, receiver, ended, settings, first):
    """127.0.0.1 is allowed here and stands for a public address, 127.0.0.2 for a private one."""
    answers = [first, ["127.0.0.2"]]

    async def rebinding(host, port):
        assert host == "rebind.test"
        return answers.pop(0)

    ended(f"http://rebind.test:{receiver.port}/hook")
    Sender(ledger, settings(), rebinding).deliver("job")
    assert len(answers) == 1
    assert [headers["Host"] for _, headers, _ in receiver.got] == [f"rebind.test:{receiver.port}"] * (len(first) == 1)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:4700:4700::1111", True),
        ("::ffff:93.184.216.34", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("255.255.255.255", False),
        ("224.0.0.1", False),
        ("198.18.0.1", False),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fe80::1%lo", False),
        ("fc00::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("ff0e::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:a9fe:a9fe", False),
        ("::7f00:1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b:1::7f00:1", False),
        ("2002:7f00:1::1", False),
        ("2001:0:7f00:1::1", False),
    ],
)
def test_the_table_of_addresses(address, public):
    assert may_be_called(address) is public


def test_allowed_networks_are_allowed():
    assert may_be_called("10.1.2.3", [ip_network("10.1.0.0/16")])
    assert may_be_called("::ffff:10.1.2.3", [ip_network("10.1.0.0/16")])
    assert not may_be_called("10.2.2.3", [ip_network("10.1.0.0/16")])


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "ftp://example.com/hook",
        "https://",
        "https://user:secret@example.com/",
        "https://127.0.0.1/hook",
        "https://[::1]/hook",
        "https://[fe80::1%25lo]/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://example.com:99999/",
        "https://exam ple.com/",
        "https://example.com/\r\nX-Evil: 1",
        "https://[::1",
    ],
)
async def test_the_submit_refuses_what_may_never_be_called(serve, url, ledger):
    async with serve(webhook_secrets=(NEW,)) as http:
        answer = await http.post("/api/jobs", json=BODY | {"webhook_url": url})
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith("webhook_url: ")
    assert ledger.run(reads.queued()) == []


async def test_without_a_secret_there_are_no_webhooks(serve):
    async with serve() as http:
        answer = await http.post("/api/jobs", json=BODY | {"webhook_url": "https://example.com/"})
    assert (answer.status_code, "WEBHOOK_SECRETS" in answer.json()["error"]["message"]) == (422, True)


def test_a_sender_that_is_killed_is_replaced(valkey, ledger, receiver, ended, settings, celery_app, client, tmp_path):
    """SIGKILL while the receiver has the request: the webhook is sent again under the same id."""
    config = settings()
    env = os.environ | {"REDIS_URL": valkey.url, "WEBHOOK_SECRETS": NEW, "WEBHOOK_ALLOW_HTTP": "true"}
    env["WEBHOOK_ALLOWED_NETWORKS"] = LOOPBACK
    sweeper = Sweeper(ledger, RedisResults(ledger.client), celery_app, config.job_ttl_seconds)
    silent = threading.Event()
    receiver.answers = [silent]
    ended()
    for tries in (1, 2):
        with (tmp_path / "log").open("ab") as log:
            worker = subprocess.Popen([sys.executable, "-m", "worker.webhook.main"], env=env, stdout=log, stderr=log)
        try:
            client.zadd(keys.WEBHOOKS, {"job": 1})  # as if its hold had run out
            sweeper.send_webhooks()
            wait_for(lambda tries=tries: len(receiver.got) == tries, tmp_path / "log")
            if tries == 2:
                wait_for(lambda: client.zcard(keys.WEBHOOKS) == 0, tmp_path / "log")
        finally:
            worker.kill()
            worker.wait()
            silent.set()
    assert client.hget("logo:job:job", "webhook_tries") == b"2"
    assert {headers["webhook-id"] for _, headers, _ in receiver.got} == {"job"}


def wait_for(condition, log=None, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, log and log.read_text()
        time.sleep(0.02)


def test_the_sweeper_sends_each_once(ledger, ended, celery_app, client):
    ended()
    sweeper = Sweeper(ledger, RedisResults(ledger.client), celery_app, 60)
    sweeper.send_webhooks()
    client.zadd(keys.WEBHOOKS, {"job": 1})
    sweeper.send_webhooks()  # its message still waits
    assert sum(client.llen(key) for key in client.keys(f"{WEBHOOK}*")) == 1


def test_one_whose_record_has_gone_is_dropped(ledger, ended, celery_app, client):
    ended()
    client.delete("logo:job:job")
    Sweeper(ledger, RedisResults(ledger.client), celery_app, 60).send_webhooks()
    assert (client.zcard(keys.WEBHOOKS), waiting_job_ids(client, WEBHOOK)) == (0, set())


@pytest.mark.parametrize("value", ["secret", "whsec_c2hvcnQ=", "whsec_" + "*" * 40])
def test_a_wrong_secret_is_refused(settings, value):
    with pytest.raises(ValueError, match="webhook_secrets"):
        settings(webhook_secrets=value)
