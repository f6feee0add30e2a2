"""The request and response schemas of OpenAI's Images and Models APIs, as far as this service supports them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.schemas import MAX_IMAGES, MAX_SIZE, MIN_SIZE, PROMPT_EXAMPLE, NotBoolean, invalid, not_blank

if TYPE_CHECKING:
    from pydantic.config import JsonDict

# What OpenAI's own API takes, and what a job takes: of a longer prompt the job gets the beginning.
MAX_PROMPT, MAX_DRAWN = 32_000, 500
DEFAULT_SIZE = 1024

_WHOLE_EXAMPLE: JsonDict = {
    "prompt": PROMPT_EXAMPLE,
    "n": 2,
    "size": "512x512",
    "response_format": "url",
    "output_format": "png",
    "output_compression": 100,
    "background": "opaque",
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


def _square(size: str) -> str:
    width, _, height = size.partition("x")
    if size != "auto" and (width != height or not MIN_SIZE <= int(width) <= MAX_SIZE):
        raise invalid(f"only squares of {MIN_SIZE} to {MAX_SIZE} pixels, such as 512x512, or auto")
    return size


def beginning_of(prompt: str) -> str:
    """The prompt, or its beginning up to the last space within MAX_DRAWN characters."""
    if len(prompt) <= MAX_DRAWN:
        return prompt
    words = re.match(rf"(?s).{{{MAX_DRAWN // 2},{MAX_DRAWN}}}(?=\s)", prompt)
    # A text without spaces, such as Chinese, is cut anywhere.
    return words[0].rstrip() if words else prompt[:MAX_DRAWN]


class ImagesRequest(BaseModel):
    """The fields and values that this service supports; a request with any other is refused by the field's name."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"prompt": PROMPT_EXAMPLE, "size": "512x512"}, _WHOLE_EXAMPLE]}
    )

    prompt: Annotated[
        str,
        Field(
            min_length=3,
            max_length=MAX_PROMPT,
            description=f"What the logo shows. Of more than {MAX_DRAWN} characters the beginning is drawn.",
        ),
        AfterValidator(not_blank),
    ]
    n: Annotated[int | None, NotBoolean] = Field(1, ge=1, le=MAX_IMAGES, description="Variations of the prompt.")
    size: Annotated[str, Field(pattern=r"^(auto|\d{2,4}x\d{2,4})$"), AfterValidator(_square)] | None = Field(
        "auto", description=f"A square, such as `512x512`; auto: {DEFAULT_SIZE}x{DEFAULT_SIZE}."
    )
    response_format: Literal["b64_json", "url"] | None = Field(
        None,
        description="Absent: `url` for a `model` that begins with dall-e, if a URL can be had without a key; else "
        "`b64_json`. A URL is valid as long as the image is kept.",
    )
    output_format: Literal["png"] | None = Field("png", description="PNG only.")
    output_compression: Annotated[int | None, NotBoolean] = Field(
        None, ge=0, le=100, description="No effect: a PNG loses nothing."
    )
    background: Literal["auto", "opaque"] | None = Field("auto", description="Both mean opaque.")
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"] | None = Field(
        "auto", description="No effect: the server has one quality."
    )
    style: Literal["vivid", "natural"] | None = Field(None, description="No effect.")
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

    @property
    def pixels(self) -> int:
        return DEFAULT_SIZE if self.size in (None, "auto") else int(str(self.size).partition("x")[0])

    @property
    def drawn_prompt(self) -> str:
        return beginning_of(self.prompt)

    def wants_url(self, *, can_sign: bool) -> bool:
        """`can_sign`: a URL can be had that needs no key."""
        if self.response_format is None:
            return can_sign and (self.model or "").startswith("dall-e")
        return self.response_format == "url"


class GeneratedImage(BaseModel):
    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = Field(None, description="What is drawn, where the prompt was cut.")


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
    background: Literal["opaque"] = "opaque"
    output_format: Literal["png"] = "png"
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
