"""The request and response schemas of the HTTP interface; the API and the webhook worker use them."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads it when the class is built
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    ValidationInfo,
    field_validator,
    model_validator,
)

from shared.canvas import MAX_EDGE, MAX_RATIO, MIN_EDGE, Canvas
from shared.design_fields import DesignFields
from shared.field_errors import invalid
from shared.jobs import JobStatus, Priority
from shared.outputs import Outputs
from shared.results import footprint
from shared.results.formats import FORMATS
from shared.strength import DEFAULT_STRENGTH
from shared.styles.colours import TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic.config import JsonDict, JsonValue

MIN_SIZE, MAX_SIZE = MIN_EDGE, MAX_EDGE
MAX_SIZES = 16
MAX_IMAGES = 4
# For all images of a job together: four of the largest size, or one in each of a dozen common sizes.
MAX_PIXELS = MAX_IMAGES * MAX_SIZE**2
# As many again for what is made beside plain PNGs, as shared/results/footprint.py counts it.
MAX_PIXELS_OF_ALL = 2 * MAX_PIXELS
DEFAULT_SIZES = (256, 512, 1024)
# An image that came with the request itself, by the digest of its bytes; clients name jobs only.
UPLOADED = "sha256:"
PROMPT_EXAMPLE = "a red fox head, geometric"


def not_blank(prompt: str) -> str:
    if not prompt.strip():
        raise invalid("must not be blank")
    return prompt.strip()


# The length is checked before trimming: the released app depends on it.
Prompt = Annotated[
    str,
    Field(min_length=3, max_length=500, description="What the logo shows, 3 to 500 characters."),
    AfterValidator(not_blank),
]


def _not_boolean(value: Any) -> Any:
    """Refuses booleans: Python takes true for 1, but in JSON it is not a number."""
    if isinstance(value, bool):
        raise invalid("must be a number, not a boolean")
    return value


NotBoolean = BeforeValidator(_not_boolean)
# The bounds stand before the validator: behind it they have no `minimum` and `maximum` on the OpenAPI page.
Size = Annotated[int, Field(ge=MIN_SIZE, le=MAX_SIZE), NotBoolean]


# Those of shared/canvas.py.
Aspect = Literal["1:1", "4:3", "3:2", "16:9", "2:1", "3:1", "4:1", "3:4", "2:3", "9:16", "1:2", "1:3", "1:4"]

PLAIN = Outputs()
OutputFormat = Literal["png", "webp", "jpeg", "avif", "svg"]


def _each_once(formats: list[str]) -> list[str]:
    if len(set(formats)) < len(formats):
        raise invalid("must not name a format twice")
    return formats


def shape_fields(size: Canvas) -> dict[str, Any]:
    """The fields of a request for this one picture."""
    return {"sizes": [size.width]} if size.is_square else {"width": size.width, "height": size.height}


def check_shape(size: Canvas) -> None:
    """:raises PydanticCustomError: too long for its height, or too high for its width."""
    if size.longest > MAX_RATIO * min(size.width, size.height):
        raise invalid(f"{size} is no shape from 1:{MAX_RATIO} to {MAX_RATIO}:1")


def _check_pixels(sizes: Sequence[Canvas | int], num_images: int = 1, outputs: Outputs = PLAIN) -> None:
    square = all(Canvas.of(size).is_square for size in sizes)
    if (pixels := footprint.pixels(sizes, num_images, PLAIN)) > MAX_PIXELS:
        found = "sizes: the sum of their squares" if square else "width: times height"
        raise invalid(f"{found} times num_images is {pixels} pixels, the bound is {MAX_PIXELS}")
    if (pixels := footprint.pixels(sizes, num_images, outputs)) > MAX_PIXELS_OF_ALL:
        raise invalid(
            f"{'sizes' if square else 'width'}: with num_images, formats, transparent and icons all files have "
            f"{pixels} pixels, the bound is {MAX_PIXELS_OF_ALL}"
        )


_WIDE_EXAMPLES: list[JsonValue] = [
    {"prompt": PROMPT_EXAMPLE, "width": 1536, "height": 512},
    {"prompt": PROMPT_EXAMPLE, "aspect": "3:1"},
]
_WHOLE_EXAMPLE: JsonDict = {
    "prompt": PROMPT_EXAMPLE,
    "sizes": [512],
    "seed": 7,
    "num_images": 2,
    "steps": 20,
    "guidance": 3.5,
    "enhance": False,
    "priority": "high",
    "deadline_seconds": 600,
    "webhook_url": "https://example.com/logo-done",
    "formats": ["png", "webp", "svg"],
    "quality": 90,
    "transparent": True,
    "holes": "cut",
    "icons": True,
    "style": "emblem",
    "text": "Kaffee Nord",
    "layout": "combination",
    "colors": ["#0A7B83", "#F2A541"],
}
_BRAND_EXAMPLE: JsonDict = {
    "prompt": "a fox head",
    "sizes": [512],
    "style": "minimal",
    "colors": ["#0A7B83"],
    "background_color": "#FFFFFF",
    "formats": ["png", "svg"],
}


class JobRequest(DesignFields):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"prompt": PROMPT_EXAMPLE, "sizes": [256, 512], "seed": 7},
                *_WIDE_EXAMPLES,
                _BRAND_EXAMPLE,
                _WHOLE_EXAMPLE,
            ]
        },
    )

    prompt: Prompt
    sizes: list[Size] = Field(
        list(DEFAULT_SIZES),
        min_length=1,
        max_length=MAX_SIZES,
        description=(
            "Edge lengths in pixels, one PNG for each. "
            f"The sum of their squares, times `num_images`, is at most {MAX_PIXELS}; with files {MAX_PIXELS_OF_ALL}: "
            f"each further format of each size counts as one more picture, a lossy one as half, a zip of icons as "
            f"{footprint.ICONS_PIXELS} pixels."
        ),
    )
    width: Size | None = Field(
        None,
        description=f"Of the one picture, in pixels, instead of `sizes`; 1:{MAX_RATIO} to {MAX_RATIO}:1 of `height`.",
    )
    height: Size | None = Field(None, validate_default=True, description="With `width`.")
    aspect: Aspect | None = Field(
        None, description="Instead of `width` and `height`: about as many pixels as a square of 1024; 3:1 is 1776x592."
    )
    image: str | None = Field(
        None,
        pattern=r"^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|sha256:[0-9a-f]{64})$",
        description="What the drawing starts from: the id of an own job that has succeeded; in a multipart body, the "
        "file. Without `sizes`, `width` and `aspect` the picture has its shape.",
        examples=["3f0c2d0e-6a5b-4f53-8d43-6f3a2f9f8f10"],
    )
    image_number: Annotated[int | None, NotBoolean] = Field(
        None, ge=1, le=MAX_IMAGES, description="Which of that job's variations; the first if absent."
    )
    strength: Annotated[float | None, NotBoolean] = Field(
        None,
        ge=0,
        le=1,
        description=f"With `image`: how much of it changes, from 0, nothing, to 1, all; {DEFAULT_STRENGTH} if absent. "
        "It is the share of the steps that are drawn.",
    )
    seed: Annotated[int | None, NotBoolean] = Field(
        None, ge=0, le=2**32 - 1, description="Random if absent; the job reports it."
    )
    num_images: Annotated[int, NotBoolean] = Field(
        1, ge=1, le=MAX_IMAGES, description="Variations, with the seed and the seeds after it."
    )
    steps: Annotated[int | None, NotBoolean] = Field(
        None, ge=1, le=50, description="Denoising steps; the model's default if absent."
    )
    guidance: Annotated[float | None, NotBoolean] = Field(
        None, ge=0, le=20, description="Guidance scale; the model's default if absent."
    )
    enhance: bool = Field(True, description="Append the design guidance for logos to the prompt.")
    priority: Priority = Field(
        Priority.NORMAL, description="Jobs of a higher priority are drawn first; equal ones in order of submission."
    )
    deadline_seconds: Annotated[float | None, NotBoolean] = Field(
        None, gt=0, le=86400, description="The job expires if it has not ended this many seconds after its creation."
    )
    webhook_url: str | None = Field(
        None,
        max_length=2048,
        description="Receives a signed POST when the job has ended, if the server sends webhooks.",
    )
    formats: Annotated[list[OutputFormat], Field(min_length=1), AfterValidator(_each_once)] = Field(
        ["png"],
        json_schema_extra={"uniqueItems": True},
        description="PNGs are always made, as `images`; what is named beside them comes as `files`.",
    )
    quality: Annotated[int | None, NotBoolean] = Field(
        None, ge=1, le=100, description="Of WebP, JPEG and AVIF; absent, the WebP is lossless."
    )
    transparent: StrictBool = Field(
        False,
        description="The plain ground becomes transparent, in WebP, AVIF, SVG and a second PNG of each size; "
        "where it cannot be done well, `warnings` says so.",
    )
    holes: Literal["keep", "cut"] | None = Field(
        None,
        description="With `transparent`: whether areas of ground that the drawing encloses are cut; keep if absent.",
    )
    icons: StrictBool = Field(
        False, description="A zip of icons for the web, Android, iOS and macOS, with a size of their own."
    )

    @property
    def canvases(self) -> list[Canvas]:
        """What pictures are made of each drawing."""
        if self.aspect is not None:
            return [Canvas.of_aspect(self.aspect)]
        if self.width is not None and self.height is not None:
            return [Canvas(self.width, self.height)]
        return [Canvas.of(size) for size in self.sizes]

    @property
    def has_shape(self) -> bool:
        """Whether it asks for one, in whatever way."""
        given = {name for name in ("sizes", "width", "aspect") if getattr(self, name) is not None}
        return bool(given & self.model_fields_set)

    @property
    def outputs(self) -> Outputs:
        return Outputs(
            tuple(self.formats),
            self.quality or 0,
            self.transparent,
            self.holes or "keep",
            self.icons,
            tuple(self.colors or ()),
            self.background_color or "",
        )

    @field_validator("image_number", "strength")
    @classmethod
    def _of_an_image(cls, given: float | None, info: ValidationInfo) -> float | None:
        image = info.data.get("image", "")  # one that is wrong itself is not there
        if given is not None and image is None:
            raise invalid("only with image")
        if info.field_name == "image_number" and given is not None and str(image).startswith(UPLOADED):
            raise invalid("only with an image that is a job's id")
        return given

    @field_validator("quality")
    @classmethod
    def _of_a_lossy_format(cls, quality: int | None, info: ValidationInfo) -> int | None:
        # A list that is wrong itself is not there.
        if quality is not None and not any(FORMATS[name].takes_quality for name in info.data.get("formats", ["webp"])):
            raise invalid("only with webp, jpeg or avif in formats; png and svg have none")
        return quality

    @field_validator("transparent")
    @classmethod
    def _of_a_format_with_alpha(cls, transparent: bool, info: ValidationInfo) -> bool:
        if transparent and not any(FORMATS[name].has_alpha for name in info.data.get("formats", ["png"])):
            raise invalid("jpeg has no transparency; add png, webp, avif or svg to formats")
        return transparent

    @field_validator("holes")
    @classmethod
    def _of_a_transparent_ground(cls, holes: str | None, info: ValidationInfo) -> str | None:
        if holes is not None and not info.data.get("transparent", True):
            raise invalid("only with transparent")
        return holes

    @field_validator("height")
    @classmethod
    def _a_shape_with_width(cls, height: int | None, info: ValidationInfo) -> int | None:
        width = info.data.get("width", height)  # one that is wrong itself is not there
        if (width is None) is not (height is None):
            raise invalid("only with width" if width is None else "missing, width is given")
        if width is not None and height is not None:
            check_shape(Canvas(width, height))
        return height

    @field_validator("width", "aspect")
    @classmethod
    def _instead_of_others(cls, given: int | str | None, info: ValidationInfo) -> int | str | None:
        others = [name for name in ("width", "height") if info.data.get(name) is not None]
        if info.data.get("sizes", list(DEFAULT_SIZES)) != list(DEFAULT_SIZES):
            others.append("sizes")
        if given is not None and others:
            raise invalid(f"not with {others[0]}")
        return given

    @model_validator(mode="after")
    def _not_with_the_default_sizes(self) -> Self:
        given = [name for name in ("width", "aspect") if getattr(self, name) is not None]
        if given and "sizes" in self.model_fields_set:
            raise invalid(f"{given[0]}: not with sizes")
        return self

    @model_validator(mode="after")
    def _pixels(self) -> Self:
        _check_pixels(self.canvases, self.num_images, self.outputs)
        return self


class LogoRequest(BaseModel):
    """The mobile app's request: unknown fields are ignored, sizes out of range are dropped."""

    model_config = ConfigDict(
        extra="ignore", json_schema_extra={"examples": [{"prompt": PROMPT_EXAMPLE, "sizes": [256, 512]}]}
    )

    prompt: Prompt
    sizes: list[int] = Field(list(DEFAULT_SIZES), description="Edge lengths, 64 to 2048; empty for the default.")

    @field_validator("sizes")
    @classmethod
    def _in_range(cls, sizes: list[int]) -> list[int]:
        valid = [size for size in sizes or DEFAULT_SIZES if MIN_SIZE <= size <= MAX_SIZE]
        if not valid:
            raise invalid(f"no size is within {MIN_SIZE} and {MAX_SIZE} pixels")
        if len(set(valid)) > MAX_SIZES:
            raise invalid(f"more than {MAX_SIZES} different sizes")
        _check_pixels(valid)
        return valid


class LogoResponse(BaseModel):
    message: str
    prompt: str
    images: dict[str, str] = Field(description="Base64 PNG by size.")
    sizes: list[int]
    model: str


class Progress(BaseModel):
    step: int
    steps: int | None = Field(description="Null until a worker has claimed the job.")
    fraction: float = Field(ge=0, le=1)


class ProgressEvent(Progress):
    """The data of a `progress` event."""

    queue_position: int | None
    eta_seconds: float | None


class PreviewEvent(BaseModel):
    """The data of a `preview` event."""

    image: str = Field(description="The unfinished drawing: a base64 JPEG, at most 64 pixels wide.")


class Timings(BaseModel):
    """Seconds of each stage; null until the stage has ended."""

    queued: float | None
    denoise: float | None
    finish: float | None


class JobError(BaseModel):
    code: str = Field(
        description="generation_failed, gpu_out_of_memory, output_not_finite, output_black, finish_failed, "
        "image_gone, content_filtered or poison."
    )
    message: str


class Urls(BaseModel):
    self: str
    events: str = Field(description="Server-sent events.")
    cancel: str
    images: dict[str, str] = Field(description="PNG bytes by size: `512`, or `1536x512` of what is no square.")


class FileView(BaseModel):
    """An image or file that is no plain PNG."""

    name: str = Field(description="Such as `512.webp`, `512-transparent.png`, `logo.svg`, `icons.zip` or `sheet.png`.")
    format: str
    media_type: str
    width: int | None = Field(description="Pixels; null for a zip.")
    height: int | None
    bytes: int
    url: str
    data: str | None = Field(None, description="Base64, with `include=files`; else null.")


class OutputWarning(BaseModel):
    """Something that was asked for and could not be done."""

    code: str
    message: str


class Variation(BaseModel):
    """One of several images of a job. A job of one image with its seed draws the same image."""

    seed: int
    images: dict[str, str] | None = Field(description="Base64 PNG by size, unless left out.")
    urls: dict[str, str] = Field(description="PNG bytes by size.")


class JobView(BaseModel):
    id: str
    status: JobStatus
    prompt: str
    sizes: list[int] = Field(description="Of squares; empty for one picture of `width` and `height`.")
    width: int | None = Field(None, description="Of the picture, if it is no square.")
    height: int | None = None
    strength: float | None = Field(None, description="Of the change to the image that it starts from, if it has one.")
    seed: int
    priority: Priority
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    progress: Progress
    queue_position: int | None = Field(description="From 1, behind jobs of a higher priority; null unless queued.")
    eta_seconds: float | None = Field(
        None, description="Seconds until it ends, from measured times; null if unknown or terminal."
    )
    attempt: int
    cancel_requested: bool
    num_images: int
    images: dict[str, str] | None = Field(description="Base64 PNG by size, once succeeded, unless left out.")
    variations: list[Variation] = Field(
        description="All images once succeeded, the first being `images`; empty if `num_images` is 1."
    )
    files: list[FileView] = Field(
        [], description="What was asked for beside plain PNGs, of all variations, once succeeded."
    )
    warnings: list[OutputWarning] = Field([], description="What could not be done; the job succeeds without it.")
    palette: list[str] = Field([], description="The colours of the SVG, as `#rrggbb`.")
    style: str | None = None
    text: str | None = None
    layout: str | None = None
    colors: list[str] = Field([], description="Those that were asked for, as `#rrggbb`.")
    background_color: str | None = None
    colors_share: float | None = Field(
        None,
        description=f"Once succeeded, of the pixels in plain areas that were asked for in a colour, the share within "
        f"{TOLERANCE:g} (CIEDE2000) of one; of variations the lowest. Null without `colors` and `background_color`.",
    )
    model: str | None
    timings: Timings
    error: JobError | None
    urls: Urls
    expires_at: datetime | None = Field(description="When the images expire.")


class JobList(BaseModel):
    jobs: list[JobView] = Field(description="Newest first, without images.")
    next_cursor: str | None = Field(description="Pass it as `cursor`; null on the last page.")


class WebhookEvent(BaseModel):
    """The body posted to `webhook_url`, signed as Standard Webhooks specifies; `webhook-id` is the job's id."""

    type: str = Field(description="job.succeeded, job.failed, job.canceled or job.expired.")
    timestamp: datetime = Field(description="When the job ended.")
    data: JobView = Field(description="The job, without images; its URLs are absolute if PUBLIC_URL is set.")


class ErrorBody(BaseModel):
    code: str
    message: str
    details: Any | None = None


class ErrorResponse(BaseModel):
    """Every error of this service. `detail` repeats the message for the released app."""

    error: ErrorBody
    detail: Any
    request_id: str
