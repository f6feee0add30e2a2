"""The definitions of all metrics, and the conversion of the counters and heartbeats in Redis to metrics.

The ledger's moves count jobs in Redis (shared/ledger/lua/move.lua), each exactly once, even if the process that made
the move ends before Prometheus scrapes it (docs/decisions/0009).
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from shared.jobs import Failure, JobStatus, is_terminal
from shared.ledger import counters as counted
from shared.ledger.counters import STAGES, STEPS
from shared.settings import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prometheus_client import CollectorRegistry

    from shared.ledger.usage import Use
    from shared.workers import WorkerInfo


@dataclass(frozen=True, slots=True)
class Definition:
    name: str
    kind: str  # counter | gauge | histogram
    help: str
    labels: tuple[str, ...] = ()

    def family(self, samples: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
        """A gauge or counter with given samples, each the label values and the value."""
        kind = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        family: Metric = kind(self.name, self.help, labels=self.labels)
        for values, value in samples:
            family.add_metric(values, value)  # type: ignore[attr-defined] # both kinds have it
        return family

    def counter(self, registry: CollectorRegistry) -> Counter:
        return Counter(self.name, self.help, self.labels, registry=registry)

    def gauge(self, registry: CollectorRegistry, together: Literal["livesum", "livemax"]) -> Gauge:
        """:param together: what several processes behind one port have of it (api/worker_metrics.py)."""
        return Gauge(self.name, self.help, self.labels, registry=registry, multiprocess_mode=together)

    def histogram(self, registry: CollectorRegistry, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(self.name, self.help, self.labels, registry=registry, buckets=buckets)


BUILD_INFO = Definition(
    "logo_build_info",
    "gauge",
    "Always 1; the labels say what runs and from which commit.",
    ("version", "revision", "python", "process"),
)
# From the ledger. Every API process reports the same figures, so take the maximum and not the sum.
QUEUE_JOBS = Definition("logo_queue_jobs", "gauge", "Jobs that wait to be drawn.", ("priority",))
QUEUE_AGE = Definition("logo_queue_oldest_age_seconds", "gauge", "Age of the oldest queued job.", ("priority",))
JOBS_ENDED = Definition(
    "logo_jobs_ended_total", "counter", "Jobs by their terminal status, failed ones by error code.", ("status", "code")
)
STAGE_SECONDS = Definition(
    "logo_job_stage_seconds",
    "histogram",
    "How long jobs were queued (first attempts), in denoise, in finish.",
    ("stage",),
)
RECOVERIES = Definition(
    "logo_job_recoveries_total",
    "counter",
    "Jobs taken from a lost holder, by the reason and the state they went to.",
    ("reason", "to"),
)
DENOISE_STEPS = Definition("logo_denoise_steps_total", "counter", "Denoising steps of finished drawings.")
IMAGE_PIXELS = Definition(
    "logo_image_pixels_total", "counter", "Pixels of finished images, all sizes, variations and files."
)
OUTPUTS_REDUCED = Definition(
    "logo_outputs_reduced_total",
    "counter",
    "Outputs that were not made, or not as asked, by the warning's code.",
    ("code",),
)
IMAGES_GIVEN_UP = Definition(
    "logo_images_given_up_total", "counter", "Jobs whose images were dropped before their time to make room."
)
PROMPTS_CUT = Definition(
    "logo_prompts_cut_total", "counter", "Drawings whose prompt had more than MAX_TEXT_TOKENS, so its end was left out."
)
DEAF_WORKERS = Definition(
    "logo_deaf_workers_total", "counter", "Workers that were ended because they took no messages while some waited."
)
REJOINED = Definition(
    "logo_calls_rejoined_total", "counter", "Held calls that joined the job of an equal call that was cut."
)
ABANDONED = Definition(
    "logo_jobs_abandoned_total", "counter", "Jobs that were canceled because their held call was cut and not repeated."
)
PROMPTS_REFUSED = Definition(
    "logo_prompts_refused_total", "counter", "Submits that SAFETY refused for their prompt; no job was made."
)
OUT_OF_MEMORY = Definition("logo_out_of_memory_total", "counter", "Jobs for which a GPU had too little memory.")
KEY_JOBS = Definition(
    "logo_key_jobs_month", "gauge", "Jobs of a key that have ended in this month (UTC), by status.", ("key", "status")
)
KEY_IMAGES = Definition("logo_key_images_month", "gauge", "Images drawn for a key in this month (UTC).", ("key",))
KEY_DENOISE = Definition(
    "logo_key_denoise_seconds_month", "gauge", "Seconds of denoising for a key in this month (UTC).", ("key",)
)
REDIS_UP = Definition("logo_redis_up", "gauge", "1 if Redis answered this scrape.")
REDIS_USED = Definition("logo_redis_memory_used_bytes", "gauge", "Memory that Redis uses.")
REDIS_MAX = Definition("logo_redis_memory_max_bytes", "gauge", "Redis' maxmemory; 0: no bound.")
WEBHOOK_TRIES = Definition(
    "logo_webhook_tries_total",
    "counter",
    "Tries to deliver webhooks: delivered, failed (tried again), given_up, postponed (its host or key has its share).",
    ("outcome",),
)
WEBHOOKS_WAITING = Definition(
    "logo_webhooks_waiting", "gauge", "Webhooks that are due and wait for a sender of the webhook workers."
)
REDIS_DANGEROUS = Definition(
    "logo_redis_dangerous_setting", "gauge", "1 if this setting of Redis endangers jobs.", ("setting",)
)
REDIS_WORST_CASE = Definition(
    "logo_redis_worst_case_bytes", "gauge", "Memory that Redis may need in the worst case, by the settings."
)
PLANNED_PIXELS = Definition(
    "logo_planned_pixels_per_hour", "gauge", "Pixels of finished images in an hour for which Redis' memory is planned."
)
# From each API process.
STORE_UP = Definition(
    "logo_result_store_up", "gauge", "1 if the store of the images answers this process; only where that is not Redis."
)
KEYS_FILE_BROKEN = Definition(
    "logo_keys_file_broken",
    "gauge",
    "1 while KEYS_FILE is broken, and its keys from before its last change are in use.",
)
WAITERS = Definition("logo_waiters", "gauge", "Calls and streams that the process holds until their jobs end.")
KEPT_WAITING = Definition(
    "logo_calls_kept_waiting", "gauge", "Calls that wait because others of their caller are at work in the process."
)
IMAGE_BYTES = Definition(
    "logo_images_in_flight_bytes", "gauge", "Bytes of images in the answers that the process is sending."
)
EVENTS_LAG = Definition(
    "logo_events_lag_seconds", "gauge", "How far the process's reader of the events stream is behind."
)
HTTP_REQUESTS = Definition(
    "logo_http_requests_total", "counter", "Requests by route and status.", ("method", "route", "status")
)
HTTP_REFUSED = Definition(
    "logo_http_refused_total", "counter", "Requests refused because the process was late; no other metric counts them."
)
LOOP_LAG = Definition(
    "logo_loop_lag_seconds", "gauge", "How late the process's event loop was in the last 2 s, at most."
)
HTTP_SECONDS = Definition(
    "logo_http_request_seconds", "histogram", "Time to the end of a response, held calls included.", ("route",)
)
# From the heartbeats of the generate workers: the API reports all workers, each worker reports itself.
WORKER_READY = Definition("logo_worker_ready", "gauge", "1 if the worker's model is warm.", ("worker", "device"))
WORKER_BUSY = Definition("logo_worker_busy", "gauge", "1 while the worker holds a job.", ("worker", "device"))
WORKER_WAITS = Definition(
    "logo_worker_waits_for_room",
    "gauge",
    "1 while the worker waits for memory in Redis for its next job's result.",
    ("worker", "device"),
)
GPU_USED = Definition(
    "logo_gpu_memory_used_bytes", "gauge", "Memory used on the card, by all processes.", ("worker", "device")
)
GPU_TOTAL = Definition("logo_gpu_memory_total_bytes", "gauge", "The card's memory.", ("worker", "device"))
GPU_UTILIZATION = Definition(
    "logo_gpu_utilization_ratio", "gauge", "Share of the time in which a kernel ran, 0 to 1.", ("worker", "device")
)
# From each sweeper.
SWEEPER_LEADS = Definition("logo_sweeper_leads", "gauge", "1 if the sweeper holds the sweepers' lock.")
SWEEPER_LAST = Definition(
    "logo_sweeper_last_sweep_timestamp_seconds",
    "gauge",
    "When the sweeper last swept; 0 if never, as without the lock.",
)
ALL = tuple(value for value in vars().copy().values() if isinstance(value, Definition))


_OUT_OF_MEMORY = counted.ended(JobStatus.FAILED, Failure.GPU_OUT_OF_MEMORY)
_STARTING_AT_ZERO = (
    *(counted.ended(status) for status in JobStatus if is_terminal(status) and status is not JobStatus.FAILED),
    *(counted.ended(JobStatus.FAILED, code) for code in Failure),
    *(counted.reduced(code) for code in counted.OUTPUT_FAULTS),
    *(counted.webhook(outcome) for outcome in counted.WEBHOOK_OUTCOMES),
    counted.recovered("store_away", JobStatus.FINISHING),
    *(counted.recovered("lease_lost", to) for to in (JobStatus.QUEUED, JobStatus.FINISHING, JobStatus.FAILED)),
)


def build_info(process: str) -> Metric:
    """The version, and the commit from REVISION, which the image's build or `make serve` sets."""
    revision = os.environ.get("REVISION", "")
    return BUILD_INFO.family([((VERSION, revision, platform.python_version(), process), 1)])


def of_workers(infos: Iterable[WorkerInfo]) -> Iterator[Metric]:
    infos = list(infos)
    cards = [info for info in infos if info.device_type == "cuda"]

    def labels(info: WorkerInfo) -> tuple[str, str]:
        return info.name, info.device_name

    yield WORKER_READY.family((labels(info), info.ready) for info in infos)
    yield WORKER_BUSY.family((labels(info), bool(info.job_id)) for info in infos)
    yield WORKER_WAITS.family((labels(info), info.waits_for_room) for info in infos)
    yield GPU_USED.family((labels(info), info.gpu_memory_used_bytes) for info in cards)
    yield GPU_TOTAL.family((labels(info), info.memory_total_bytes) for info in cards)
    yield GPU_UTILIZATION.family((labels(info), info.gpu_utilization) for info in cards)


def of_use(by_key: Mapping[str, Use]) -> Iterator[Metric]:
    """`by_key`: what each key has used in this month, by its name."""
    ends = [status for status in JobStatus if is_terminal(status)]
    yield KEY_JOBS.family(((key, end), getattr(use, end)) for key, use in by_key.items() for end in ends)
    yield KEY_IMAGES.family(((key,), use.images) for key, use in by_key.items())
    yield KEY_DENOISE.family(((key,), use.denoise_ms / 1000) for key, use in by_key.items())


def of_counters(counters: Mapping[str, int]) -> Iterator[Metric]:
    """`counters`: the fields and values of the ledger's counters (shared/ledger/counters.py)."""
    # Prometheus sees no increase in a series that begins with its first event, so those that alerts watch begin at 0.
    counters = dict.fromkeys(_STARTING_AT_ZERO, 0) | dict(counters)
    parts = [(tuple(field.split(":")), value) for field, value in sorted(counters.items())]
    yield JOBS_ENDED.family((names[1:], value) for names, value in parts if names[0] == "ended")
    yield RECOVERIES.family((names[1:], value) for names, value in parts if names[0] == "recovered")
    yield DENOISE_STEPS.family([((), counters.get(STEPS, 0))])
    yield IMAGE_PIXELS.family([((), counters.get(counted.PIXELS, 0))])
    yield OUTPUTS_REDUCED.family((names[1:], value) for names, value in parts if names[0] == "reduced")
    yield IMAGES_GIVEN_UP.family([((), counters.get(counted.IMAGES_GIVEN_UP, 0))])
    yield PROMPTS_CUT.family([((), counters.get(counted.PROMPTS_CUT, 0))])
    yield DEAF_WORKERS.family([((), counters.get(counted.DEAF, 0))])
    yield REJOINED.family([((), counters.get(counted.REJOINED, 0))])
    yield ABANDONED.family([((), counters.get(counted.ABANDONED, 0))])
    yield WEBHOOK_TRIES.family((names[1:], value) for names, value in parts if names[0] == "webhook")
    yield PROMPTS_REFUSED.family([((), counters.get(counted.PROMPTS_REFUSED, 0))])
    yield OUT_OF_MEMORY.family([((), counters.get(_OUT_OF_MEMORY, 0))])
    stages = HistogramMetricFamily(STAGE_SECONDS.name, STAGE_SECONDS.help, labels=STAGE_SECONDS.labels)
    for stage, (_, bounds_ms) in STAGES.items():
        total, buckets = 0, []
        for bound in (*map(str, bounds_ms), "+Inf"):
            total += counters.get(f"stage:{stage}:{bound}", 0)
            buckets.append((bound if bound == "+Inf" else str(int(bound) / 1000), total))
        stages.add_metric([stage], buckets, counters.get(f"stage:{stage}:sum", 0) / 1000)
    yield stages
