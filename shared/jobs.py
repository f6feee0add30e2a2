"""The job, its states, and the transitions between them; all processes use it. Standard library only.

queued -> running -> finishing -> succeeded
|          |           |-> failed | canceled | expired | queued (pixels lost)
|          |-> queued (worker lost) | failed | canceled | expired
|-> canceled | expired | failed (undeliverable)
"""

from __future__ import annotations

import functools
import json
from dataclasses import astuple, dataclass, fields, is_dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from shared.canvas import Canvas
from shared.outputs import Outputs

if TYPE_CHECKING:
    from collections.abc import Mapping

RECORD_VERSION = 1


class JobStatus(StrEnum):
    QUEUED = "queued"  # waits for a generate worker
    RUNNING = "running"  # a generate worker holds its lease and denoises
    FINISHING = "finishing"  # raw pixels are stored; a finisher encodes them
    SUCCEEDED = "succeeded"  # images are stored, until their TTL
    FAILED = "failed"  # error_code and error_message say why
    CANCELED = "canceled"  # the caller asked for it
    EXPIRED = "expired"  # its deadline passed first


class Failure(StrEnum):
    """`error.code` of a failed job."""

    POISON = "poison"  # given up after MAX_ATTEMPTS attempts
    GENERATION_FAILED = "generation_failed"  # the model raised an error
    GPU_OUT_OF_MEMORY = "gpu_out_of_memory"  # also in a second try with smaller batches
    OUTPUT_NOT_FINITE = "output_not_finite"
    OUTPUT_BLACK = "output_black"
    FINISH_FAILED = "finish_failed"  # the pixels could not be encoded
    IMAGE_GONE = "image_gone"  # the request's own image had expired before the job was drawn
    CONTENT_FILTERED = "content_filtered"  # the drawing is refused by SAFETY


class Priority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset({JobStatus.RUNNING, JobStatus.FAILED, JobStatus.CANCELED, JobStatus.EXPIRED}),
    JobStatus.RUNNING: frozenset(
        {JobStatus.FINISHING, JobStatus.QUEUED, JobStatus.FAILED, JobStatus.CANCELED, JobStatus.EXPIRED}
    ),
    JobStatus.FINISHING: frozenset(
        {JobStatus.SUCCEEDED, JobStatus.QUEUED, JobStatus.FAILED, JobStatus.CANCELED, JobStatus.EXPIRED}
    ),
    JobStatus.SUCCEEDED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELED: frozenset(),
    JobStatus.EXPIRED: frozenset(),
}


def is_terminal(status: JobStatus) -> bool:
    return not TRANSITIONS[status]


def sources(target: JobStatus) -> frozenset[JobStatus]:
    """The states from which `target` may be entered."""
    return frozenset(status for status, targets in TRANSITIONS.items() if target in targets)


@dataclass(frozen=True, slots=True)
class JobFile:
    """A file of a succeeded job that is no plain PNG."""

    name: str  # such as `512.webp`, `logo.svg`, `icons-2.zip`
    format: str
    bytes: int
    width: int  # pixels; 0 for what has none
    height: int


@dataclass(frozen=True, slots=True)
class JobWarning:
    """Something that was asked for and could not be done; the job succeeds without it."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Job:
    """One record of the ledger. Times are milliseconds since the epoch by the Redis server's clock; 0 means not yet."""

    id: str
    status: JobStatus
    prompt: str
    sizes: tuple[int, ...]
    seed: int
    version: int = RECORD_VERSION
    priority: Priority = Priority.NORMAL
    enhance: bool = True
    num_images: int = 1
    requested_steps: int = 0  # 0: the model's own default
    requested_guidance: float = -1.0  # below 0: the model's own default
    attempt: int = 0  # the fencing token: each claim adds one
    finish_tries: int = 0
    owner: str = ""  # digest of the caller's API key; empty without keys
    request_id: str = ""
    traceparent: str = ""  # trace context; empty while tracing is off
    worker: str = ""
    claim: str = ""  # names one delivery, so that a repeated claim is recognised
    model: str = ""
    step: int = 0
    steps: int = 0
    width: int = 0  # of the raw pixels
    height: int = 0
    prompt_characters: int = 0  # that were drawn, where the model took only the beginning of the prompt; 0: all
    cancel_requested: bool = False
    error_code: str = ""
    error_message: str = ""
    created_at: int = 0
    started_at: int = 0
    drawn_at: int = 0
    finished_at: int = 0
    deadline_at: int = 0
    images_expire_at: int = 0
    denoise_ms: int = 0  # that the last attempt held a card, unless it was lost
    webhook_url: str = ""
    webhook_tries: int = 0
    webhook_shape: str = ""  # of its body: the job, or a prediction of Replicate's (shared/predictions.py)
    result_ttl_seconds: int = 0  # how long its owner's images and records are kept; 0: as the settings say
    job_ttl_seconds: int = 0
    formats: tuple[str, ...] = ("png",)  # these eight: shared/outputs.py
    quality: int = 0
    transparent: bool = False
    holes: str = "keep"
    icons: bool = False
    colors: tuple[str, ...] = ()
    background_color: str = ""
    sheet: bool = False
    files: tuple[JobFile, ...] = ()  # once succeeded
    warnings: tuple[JobWarning, ...] = ()
    palette: tuple[str, ...] = ()  # the colours of the SVG, as `#rrggbb`
    canvas: str = ""  # `1536x512`: the one picture is no square; `sizes` has its longer edge, for older processes
    strength: float = -1.0  # of the change to an image that came with the request; below 0: none did
    style: str = ""
    style_template: str = ""  # the style's words as they were when the job was created
    style_lora: str = ""  # the style's adapter, `FILE:SCALE`
    text: str = ""  # that the logo shows
    layout: str = ""  # wordmark or combination, where there is a text
    colors_share: float = -1.0  # of the flat pixels, in the colours that were asked for; below 0: none were

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each image, in order; a job of one image with that seed draws the same image."""
        return tuple((self.seed + index) % 2**32 for index in range(self.num_images))

    @property
    def canvases(self) -> tuple[Canvas, ...]:
        """What pictures are made of each drawing, all of one aspect."""
        return (Canvas.named(self.canvas),) if self.canvas else tuple(Canvas.of(size) for size in self.sizes)

    @property
    def has_image(self) -> bool:
        return self.strength >= 0

    @property
    def drawn(self) -> Canvas:
        """Of the raw pixels."""
        return Canvas(self.width, self.height or self.width)

    @property
    def largest(self) -> Canvas:
        return Canvas.named(self.canvas) if self.canvas else Canvas.of(max(self.sizes))

    @property
    def outputs(self) -> Outputs:
        return Outputs(
            self.formats,
            self.quality,
            self.transparent,
            self.holes,
            self.icons,
            self.colors,
            self.background_color,
            self.sheet,
        )

    @property
    def drawn_prompt(self) -> str:
        """What the model took of `prompt`."""
        return self.prompt[: self.prompt_characters] if self.prompt_characters else self.prompt

    @property
    def is_terminal(self) -> bool:
        return is_terminal(self.status)

    def to_record(self) -> dict[str, str]:
        """The flat strings that the ledger stores, without rare fields at their defaults, which take no memory so."""
        values = ((name, getattr(self, name), default) for name, default in _defaults())
        return {name: encode_field(value) for name, value, default in values if value != default}

    @classmethod
    def from_record(cls, record: Mapping[str, str]) -> Job:
        """The job of a record. Unknown fields are ignored and missing ones take their defaults, so that processes of
        different versions can share a ledger.
        """
        return cls(**{name: decode(record[name]) for name, decode in _decoders() if name in record})


def encode_field(value: Any) -> str:
    """The text of a job's field in its record."""
    if type(value) is str:
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, tuple):
        if value and is_dataclass(value[0]):
            return json.dumps([astuple(item) for item in value], separators=(",", ":"), ensure_ascii=False)
        return json.dumps(value)
    return str(value)


_OF_A_KEY = {"result_ttl_seconds", "job_ttl_seconds"}
_OF_DESIGN = {"style", "style_template", "style_lora", "text", "layout", "colors_share"}
_OF_RESULT = {"files", "warnings", "palette"}
_RARE = frozenset(
    {*(field.name for field in fields(Outputs)), *_OF_RESULT, "canvas", "strength", *_OF_A_KEY, *_OF_DESIGN}
)
_NEVER = object()  # equals no field's value
_DECODERS: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": lambda text: text == "1",
    "JobStatus": JobStatus,
    "Priority": Priority,
    "tuple[int, ...]": lambda text: tuple(json.loads(text)),
    "tuple[str, ...]": lambda text: tuple(json.loads(text)),
    # A later version may write more of each.
    "tuple[JobFile, ...]": lambda text: tuple(JobFile(*item[:5]) for item in json.loads(text)),
    "tuple[JobWarning, ...]": lambda text: tuple(JobWarning(*item[:2]) for item in json.loads(text)),
}


@functools.cache
def _defaults() -> tuple[tuple[str, Any], ...]:
    """Each field of a job, and the value that is left out of its record."""
    return tuple((field.name, field.default if field.name in _RARE else _NEVER) for field in fields(Job))


@functools.cache
def _decoders() -> tuple[tuple[str, Any], ...]:
    """Each field of a job, and what makes its value of the text in a record."""
    return tuple((field.name, _DECODERS[str(field.type)]) for field in fields(Job))
