"""The request and response schemas of OpenAI's Images and Models APIs, as far as this service supports them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from shared.canvas import Canvas
from shared.field_errors import invalid
from shared.outputs import Outputs
from shared.results import footprint
from shared.results.formats import FORMATS, LOGO, PNG, SVG, transparent_name
from shared.results.places import image_name
from shared.schemas import (
    MAX_IMAGES,
    MAX_PIXELS_OF_ALL,
    MAX_SIZE,
    MIN_SIZE,
    PROMPT_EXAMPLE,
    UPLOADED,
    JobRequest,
    NotBoolean,
    check_shape,
    not_blank,
    shape_fields,
)
from shared.styles.file import NAME

if TYPE_CHECKING:
    from pydantic.config import JsonDict

    from shared.jobs import Job
    from shared.schemas import JobView

# What OpenAI's own API takes, and what a job takes: of a longer prompt the job gets the beginning.
MAX_PROMPT, MAX_DRAWN = 32_000, 500
DEFAULT_SIZE = 1024
OF_VARIATIONS = "a variation of this logo"  # the prompt of a request that has an image alone
NO_STYLE = ("vivid", "natural")  # OpenAI's, which mean nothing here
BACKGROUND_NOT_UNIFORM = "background_not_uniform"  # the warning of a job whose drawing has no ground to take away

_WHOLE_EXAMPLE: JsonDict = {
    "prompt": PROMPT_EXAMPLE,
    "n": 2,
    "size": "512x512",
    "response_format": "url",
    "output_format": "webp",
    "output_compression": 90,
    "background": "transparent",
    "quality": "hd",
    "style": "vivid",
    "complexity": "low",
    "moderation": "low",
    "stream": False,
    "partial_images": 0,
    "model": "gpt-image-1",
    "user": "someone",
    "safety_identifier": "someone",
}


def _shape(size: str) -> str:
    if size == "auto":
        return size
    canvas = Canvas.named(size)
    if min(canvas.width, canvas.height) < MIN_SIZE or canvas.longest > MAX_SIZE:
        raise invalid(f"edges of {MIN_SIZE} to {MAX_SIZE} pixels, such as 512x512 or 1536x1024, or auto")
    check_shape(canvas)
    return size


def _not_of_jpeg(background: str | None, info: ValidationInfo) -> str | None:
    if background == "transparent" and info.data.get("output_format") == "jpeg":
        raise invalid("transparent needs an output_format of png, webp or svg; jpeg has no transparency")
    return background


def beginning_of(prompt: str) -> str:
    """The prompt, or its beginning up to the last space within MAX_DRAWN characters."""
    if len(prompt) <= MAX_DRAWN:
        return prompt
    words = re.match(rf"(?s).{{{MAX_DRAWN // 2},{MAX_DRAWN}}}(?=\s)", prompt)
    # A text without spaces, such as Chinese, is cut anywhere.
    return words[0].rstrip() if words else prompt[:MAX_DRAWN]


Prompt = Annotated[str, Field(min_length=3, max_length=MAX_PROMPT), AfterValidator(not_blank)]
Size = Annotated[str, Field(pattern=r"^(auto|\d{2,4}x\d{2,4})$"), AfterValidator(_shape)]


class ImagesRequest(BaseModel):
    """The fields and values that this service supports; a request with any other is refused by the field's name."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"prompt": PROMPT_EXAMPLE, "size": "512x512"}, _WHOLE_EXAMPLE]}
    )

    prompt: Prompt = Field(
        description=f"What the logo shows. Of more than {MAX_DRAWN} characters the beginning is drawn."
    )
    n: Annotated[int | None, NotBoolean] = Field(1, ge=1, le=MAX_IMAGES, description="Variations of the prompt.")
    size: Annotated[str, Field(pattern=r"^(auto|\d{2,4}x\d{2,4})$"), AfterValidator(_shape)] | None = Field(
        "auto",
        description=f"Such as `512x512` or `1536x1024`, from 1:4 to 4:1; auto: {DEFAULT_SIZE}x{DEFAULT_SIZE}.",
    )
    response_format: Literal["b64_json", "url"] | None = Field(
        None,
        description="Absent: `url` for a `model` that begins with dall-e, if a URL can be had without a key; else "
        "`b64_json`. A URL is valid as long as the image is kept.",
    )
    output_format: Literal["png", "webp", "jpeg", "svg"] | None = Field(
        "png", description="OpenAI's, and svg. What cannot be made comes as PNG, and the answer says so."
    )
    output_compression: Annotated[int | None, NotBoolean] = Field(
        None, ge=0, le=100, description="The quality of a WebP or JPEG; absent, a WebP is lossless. Else no effect."
    )
    background: Annotated[Literal["auto", "opaque", "transparent"] | None, AfterValidator(_not_of_jpeg)] = Field(
        "auto", description="auto means opaque; transparent needs png, webp or svg."
    )
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"] | None = Field(
        "auto", description="No effect: the server has one quality."
    )
    style: Annotated[str, Field(pattern=rf"^{NAME}$")] | None = Field(
        None, description="A name of `GET /api/styles`; vivid and natural have no effect."
    )
    complexity: Literal["low", "medium", "high"] | None = Field(None, description="No effect.")
    moderation: Literal["auto", "low"] | None = Field("auto", description="No effect: nothing is moderated.")
    stream: bool | None = Field(False, description="Whether the answer is a stream of events.")
    partial_images: Annotated[int | None, NotBoolean] = Field(
        None,
        ge=0,
        le=3,
        description="At most so many small pictures of the unfinished drawing come in the stream, if the server makes "
        "previews; no effect without `stream`.",
    )
    model: str | None = Field(None, description="No effect but on `response_format`: the server has one model.")
    user: str | None = Field(None, description="No effect.")
    safety_identifier: str | None = Field(None, description="No effect; the answer repeats it.")

    usual_model: ClassVar[str] = ""  # of a request without one

    @property
    def pixels(self) -> Canvas:
        return Canvas.of(DEFAULT_SIZE) if self.size in (None, "auto") else Canvas.named(str(self.size))

    @property
    def outputs(self) -> Outputs:
        made = FORMATS[self.output_format or PNG.name]
        # A job's quality begins at 1.
        quality = max(1, self.output_compression or 0) if self.output_compression is not None else 0
        return Outputs((made.name,), quality if made.takes_quality else 0, transparent=self.background == "transparent")

    @property
    def job(self) -> JobRequest:
        """Not validated again, because of the prompt's length (`drawn_prompt`)."""
        made = self.outputs
        return JobRequest.model_construct(
            prompt=self.drawn_prompt,
            **shape_fields(self.pixels),
            num_images=self.n or 1,
            formats=[self.output_format or "png"],
            quality=made.quality or None,
            transparent=made.transparent,
            style=None if self.style in NO_STYLE else self.style,
        )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        asked = footprint.pixels([self.pixels], self.n or 1, self.outputs)
        if asked > MAX_PIXELS_OF_ALL:
            raise invalid(
                f"size: with n, output_format and background {asked} pixels, the bound is {MAX_PIXELS_OF_ALL}"
            )
        return self

    @property
    def drawn_prompt(self) -> str:
        return beginning_of(self.prompt)

    def wants_url(self, *, can_sign: bool) -> bool:
        """`can_sign`: a URL can be had that needs no key."""
        if self.response_format is None:
            return can_sign and (self.model or self.usual_model).startswith("dall-e")
        return self.response_format == "url"


class EditsRequest(ImagesRequest):
    """A form; `image` is its file."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"prompt": PROMPT_EXAMPLE, "size": "512x512", "image": UPLOADED + 64 * "0"}]},
    )

    image: str = Field(pattern=f"^{UPLOADED}[0-9a-f]{{64}}$", description="The file: PNG, JPEG or WebP, 8 MiB at most.")
    size: Size | None = Field(
        "auto",
        description="As of generations; auto: of the image's aspect, with about as many pixels as a square of 1024.",
    )
    strength: Annotated[float | None, NotBoolean] = Field(
        None, ge=0, le=1, description="Not OpenAI's: how much of the image changes."
    )
    input_fidelity: Literal["high", "low"] | None = Field(None, description="No effect; see `strength`.")

    @property
    def started(self) -> JobRequest:
        """What `input_of` needs: without a shape where the image's is meant."""
        shape = {} if self.size in (None, "auto") else shape_fields(self.pixels)
        return JobRequest.model_construct(prompt=self.drawn_prompt, image=self.image, **shape)

    @property
    def job(self) -> JobRequest:
        return super().job.model_copy(update={"image": self.image, "strength": self.strength})


class VariationsRequest(EditsRequest):
    """A form without a text; `image` is its file."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"n": 2, "size": "512x512", "image": UPLOADED + 64 * "0"}]}
    )

    prompt: Prompt = Field(OF_VARIATIONS, description="Not OpenAI's: what the image shows.")
    usual_model: ClassVar[str] = "dall-e-2"  # OpenAI's only one for variations


class GeneratedImage(BaseModel):
    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = Field(None, description="What is drawn, where the prompt was cut.")


def generated(asked: ImagesRequest, job: Job, seen: JobView, *, as_url: bool) -> dict[str, Any]:
    """The answer's images, their format and their background. What could not be made of all of them comes as PNG."""
    form, size = FORMATS[asked.outputs.formats[0]], str(asked.pixels)
    variations = [(variation.images or {}, variation.urls) for variation in seen.variations]
    plain = variations or [(seen.images or {}, seen.urls.images)]
    stem = transparent_name if form is PNG else image_name
    names = [form.file_name(stem(LOGO if form is SVG else size, index)) for index in range(len(plain))]
    files = {file.name: file for file in seen.files}
    if as_asked := files.keys() >= set(names):
        found = [(files[name].data, files[name].url) for name in names]
    else:
        found = [(images.get(size), urls[size]) for images, urls in plain]
    has_ground = any(warning.code == BACKGROUND_NOT_UNIFORM for warning in seen.warnings)
    revised = job.drawn_prompt if job.drawn_prompt != asked.prompt else None
    return {
        "data": [
            GeneratedImage(url=url, revised_prompt=revised)
            if as_url
            else GeneratedImage(b64_json=data, revised_prompt=revised)
            for data, url in found
        ],
        "output_format": form.name if as_asked else PNG.name,
        "background": "transparent" if as_asked and asked.outputs.transparent and not has_ground else "opaque",
    }


class UsageDetails(BaseModel):
    image_tokens: int = 0
    text_tokens: int = 0


class Usage(BaseModel):
    """Zeros: nothing is counted in tokens."""

    input_tokens: int = 0
    input_tokens_details: UsageDetails = UsageDetails()
    output_tokens: int = 0
    output_tokens_details: UsageDetails = UsageDetails()
    total_tokens: int = 0


class ImagesResponse(BaseModel):
    created: int = Field(description="Seconds since the epoch.")
    data: list[GeneratedImage]
    background: Literal["opaque", "transparent"] = "opaque"
    output_format: Literal["png", "webp", "jpeg", "svg"] = "png"
    quality: Literal["high"] = "high"
    size: str
    usage: Usage = Usage()
    safety_identifier: str | None = Field(None, description="The request's, or its `user`.")


class Model(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int = Field(0, description="Not known: 0.")
    owned_by: str = "this server"


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[Model]
