"""The message transport of all processes: queue names, Celery's configuration, sending of tasks by name.

A message carries only a job's id; what happens to the job is decided by the ledger. A message of the generate queue is
a wake-up: the worker that takes it draws the job that the ledger says is next, whatever the id.
"""

from __future__ import annotations

import base64
import bisect
import functools
import json
import re
import uuid
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

import billiard.pool
from celery import Celery
from celery.exceptions import CPendingDeprecationWarning
from kombu import Connection, Queue
from kombu.exceptions import OperationalError
from kombu.transport.redis import PRIORITY_STEPS
from kombu.utils.functional import retry_over_time

from shared import sentinel_connections
from shared.jobs import RECORD_VERSION, Priority
from shared.observability.logging import get_logger
from shared.redis_url import broker

if TYPE_CHECKING:
    import redis

log = get_logger(__name__)
GENERATE = "generate"  # at least one message per queued job; the task's id is the id of the job it was sent for
FINISH = "finish"  # one message per job whose raw pixels are stored
WEBHOOK = "webhook"  # one message per webhook that is due
LOADING = "loading"  # always empty: a generate worker consumes it until its model is warm
# Priority 0 is the highest on Redis. Each value is one of kombu's PRIORITY_STEPS and thus has a list of its own. With
# queue_order_strategy "priority" a worker reads these lists in this order, and each list first in, first out.
PRIORITIES = {Priority.HIGH: 0, Priority.NORMAL: 5, Priority.LOW: 9}

OUTAGE_BUDGET_SECONDS = 120
# How long a generate worker waits for memory in Redis for a job's result before it lets the job's message go.
ROOM_WAIT_SECONDS = 600
# For so long a generate worker begins further jobs on one message.
ONE_MESSAGE_SECONDS = 10
# The largest job (four images of 2048 pixels, 50 steps) on the smallest card (docs/decisions/0015-hard-limit.md), with
# the jobs before it, the prompt's encoding, the decoding, and an outage at each of the hand-over's two parts.
SLOWEST_STEP_SECONDS = 30
HARD_LIMIT_SECONDS = (
    4 * 50 * SLOWEST_STEP_SECONDS + 350 + 2 * OUTAGE_BUDGET_SECONDS + ROOM_WAIT_SECONDS + ONE_MESSAGE_SECONDS
)
FINISH_LIMIT_SECONDS = 900
# How long an ending child waits until its parent has read its last result; billiard's default is 30 s. A Celery parent
# that shuts down drops a job whose start it has not read yet and reads nothing more of it, so parent and child wait for
# each other. Giving up is safe: the message is delivered again, and the ledger knows that the job is drawn.
LAST_RESULT_SECONDS = 3


class _Connection(Connection):
    def ensure_connection(self, *args: Any, **kwargs: Any) -> Connection:
        """Retries every second. kombu's pause grows to 30 s, with which a worker returns long after Redis."""
        pauses = {"interval_start": 1, "interval_step": 0, "interval_max": 1}
        super().ensure_connection(*args, **pauses | kwargs)  # type: ignore[no-untyped-call] # kombu's is untyped
        return self

    def maybe_close_channel(self, channel: Any) -> None:
        """Closes the channel completely, even after the connection was lost.

        kombu stops at the reply that the channel still waits for, and later closes the channel again without its
        transport. With an unacknowledged message that raises an AttributeError, which ends the worker.
        """
        super().maybe_close_channel(channel)  # type: ignore[no-untyped-call]
        if not channel.closed:
            super().maybe_close_channel(channel)  # type: ignore[no-untyped-call]


def make_celery(redis_url: str, *, prompt: bool = False) -> Celery:
    """`prompt`: publishing gives up within two seconds, for the API; otherwise it outlasts a restart of Redis."""
    # The warning asks to set worker_cancel_long_running_tasks_on_connection_loss, which is done below.
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning, module="celery")
    billiard.pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = round(
        LAST_RESULT_SECONDS / billiard.pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_INTERVAL
    )
    server = broker(redis_url)
    app = Celery("logo")
    app.amqp.Connection = _Connection
    transport: dict[str, Any] = {
        # After this time kombu redelivers messages that a lost worker did not acknowledge. The sweeper is faster, this
        # is a backstop. It must exceed the longest task plus an outage, or a slow job's message is delivered twice.
        "visibility_timeout": HARD_LIMIT_SECONDS + OUTAGE_BUDGET_SECONDS + 60,
        "queue_order_strategy": "priority",
        "socket_keepalive": True,
        # Ends reads that hang on a half-open connection. It must exceed the 1 s for which BRPOP blocks.
        "socket_timeout": 2 if prompt else 30,
        "socket_connect_timeout": 1 if prompt else 5,
        "health_check_interval": 15,
    }
    if server.sentinels:
        transport |= sentinel_connections.for_celery(server.sentinels)
    app.conf.update(
        broker_url=server.url,
        broker_use_ssl=server.use_ssl,
        broker_transport_options=transport,
        # Reconnect without a limit: an outage of Redis may last longer than any number of retries.
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # Retry if Redis is full or read-only during a reconnect; otherwise the worker exits and unloads its model.
        broker_channel_error_retry=True,
        task_queues=[Queue(name) for name in (GENERATE, FINISH, WEBHOOK, LOADING)],
        task_default_queue=LOADING,
        task_default_priority=PRIORITIES[Priority.NORMAL],
        task_publish_retry=not prompt,
        # JSON only: unpickling a message can run code.
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        # No result backend: with one, a Redis outage at the end of a task turns a finished job into a failure.
        task_ignore_result=True,
        result_backend=None,
        # Acknowledge after the work. The message of a child that died is acknowledged too: the parent requeues the job
        # in the ledger and publishes a new message (worker/child_death.py), so that a warm worker takes it instead of
        # the one that reloads its model.
        task_acks_late=True,
        task_acks_on_failure_or_timeout=True,
        task_reject_on_worker_lost=False,
        worker_prefetch_multiplier=1,
        task_time_limit=HARD_LIMIT_SECONDS,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        # For Flower.
        worker_send_task_events=True,
        task_send_sent_event=True,
        task_track_started=True,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_enable_remote_control=True,
    )
    return app


def send_generate(app: Celery, job_id: str, request_id: str, priority: Priority = Priority.NORMAL) -> None:
    _send(app, GENERATE, job_id, request_id, task_id=job_id, priority=PRIORITIES[priority])


def generate_message(app: Celery, job_id: str, request_id: str, priority: Priority) -> tuple[str, str]:
    """The list in Redis and the text of the message that `send_generate` would push there, for the script that creates
    the job: it writes both, so that a submit costs one round trip, and no job is without a message.
    """
    return _message(app, GENERATE, job_id, request_id, job_id, PRIORITIES[priority])


def finish_message(app: Celery, job_id: str, request_id: str) -> tuple[str, str]:
    """Likewise of `send_finish`, for the move of the job whose pixels are stored."""
    return _message(app, FINISH, job_id, request_id, f"{job_id}-finish", 0)  # Celery's own default


# What differs between the messages of a queue, as it stands in their template.
_JOB, _REQUEST, _TASK, _TAG, _BODY = _MARKS = ("<job>", "<request>", "<task>", "<tag>", "<body>")
_MARK = re.compile("|".join(_MARKS))


def _message(  # noqa: PLR0913 - what a message has
    app: Celery, queue: str, job_id: str, request_id: str, task_id: str, number: int
) -> tuple[str, str]:
    where, body, text = _template(app, queue, number)
    values = {_JOB: job_id, _REQUEST: request_id, _TASK: task_id, _TAG: str(uuid.uuid4())}
    inside = {mark: json.dumps(value)[1:-1] for mark, value in values.items()}
    inside[_BODY] = base64.b64encode(_filled(body, inside).encode()).decode()
    return where, _filled(text, inside)


def _filled(template: str, values: dict[str, str]) -> str:
    return _MARK.sub(lambda mark: values[mark[0]], template)


@functools.cache
def _template(app: Celery, queue: str, number: int) -> tuple[str, str, str]:
    """The list in Redis, and the JSON of a message's body and of the message, by Celery, which takes long for each."""
    arguments = _arguments(_JOB)
    made = app.amqp.as_task_v2(
        _TASK, queue, kwargs=arguments, argsrepr="()", kwargsrepr=repr(arguments), ignore_result=None
    )
    message = {
        "body": _BODY,
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": made.headers | {"request_id": _REQUEST},
        "properties": made.properties
        | {
            "delivery_mode": 2,  # persistent
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": number,
            "body_encoding": "base64",
            "delivery_tag": _TAG,
        },
    }
    where = _list_of(queue, PRIORITY_STEPS[bisect.bisect(PRIORITY_STEPS, number) - 1])
    return where, json.dumps(made.body), json.dumps(message)


def send_finish(app: Celery, job_id: str, request_id: str, *, outage_seconds: int = 0) -> None:
    """Retries for about `outage_seconds` while Redis is out of reach; 0: for a few seconds.

    :raises kombu.exceptions.OperationalError: Redis was out of reach for longer.
    """
    send = functools.partial(_send, app, FINISH, job_id, request_id, task_id=f"{job_id}-finish")
    if not outage_seconds:
        send()
        return
    # Retried as a whole, because a publication's own retry policy does not cover the opening of its first channel.
    retry_over_time(send, OperationalError, interval_start=1, interval_step=0, interval_max=1, timeout=outage_seconds)


def send_webhook(app: Celery, job_id: str, request_id: str) -> None:
    _send(app, WEBHOOK, job_id, request_id, task_id=f"{job_id}-webhook")


def _send(app: Celery, queue: str, job_id: str, request_id: str, **options: Any) -> None:
    app.send_task(
        queue,
        kwargs=_arguments(job_id),
        queue=queue,
        headers={"request_id": request_id},
        **options,
    )


def _arguments(job_id: str) -> dict[str, Any]:
    return {"job_id": job_id, "version": RECORD_VERSION}


def waiting_job_ids(client: redis.Redis, queue: str) -> set[str]:
    """The jobs that have a message in `queue`."""
    return set(waiting_messages_of(client, queue))


def waiting_messages_of(client: redis.Redis, queue: str) -> Counter[str]:
    """How many messages in `queue` each job has."""
    pipeline = client.pipeline(transaction=False)
    for name in lists_of(queue):
        pipeline.lrange(name, 0, -1)
    return Counter(job_id for messages in pipeline.execute() for message in messages if (job_id := _job_id(message)))


def waiting_messages(client: redis.Redis, queue: str) -> int:
    pipeline = client.pipeline(transaction=False)
    for name in lists_of(queue):
        pipeline.llen(name)
    return sum(pipeline.execute())


def lists_of(queue: str) -> list[str]:
    """The lists in Redis that hold `queue`'s messages, the newest first: kombu keeps one per priority step."""
    return [_list_of(queue, step) for step in PRIORITY_STEPS]


def _list_of(queue: str, step: int) -> str:
    return queue if step == 0 else f"{queue}\x06\x16{step}"


def _job_id(message: bytes) -> str:
    """The job's id; empty for a message that this version cannot read."""
    try:
        _args, kwargs, _embed = json.loads(base64.b64decode(json.loads(message)["body"]))
        return str(kwargs["job_id"])
    except (ValueError, TypeError, LookupError) as error:
        log.warning("message.unreadable", error=repr(error))
        return ""
