"""The request schemas of Replicate's predictions, as far as this service supports them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from api.openai_shapes import MAX_DRAWN, MAX_PROMPT
from shared.canvas import Canvas
from shared.field_errors import invalid
from shared.schemas import MAX_IMAGES, PROMPT_EXAMPLE, NotBoolean, Size, check_shape, not_blank

DEFAULT_SIZE = 1024
# What FLUX draws on Replicate for each aspect.
PIXELS_OF = {
    "1:1": Canvas(1024, 1024),
    "16:9": Canvas(1344, 768),
    "21:9": Canvas(1536, 640),
    "3:2": Canvas(1216, 832),
    "5:4": Canvas(1088, 896),
    "4:3": Canvas(1152, 896),
}
Aspect = Literal["1:1", "16:9", "21:9", "3:2", "2:3", "4:5", "5:4", "3:4", "4:3", "9:16", "9:21", "custom"]
Prompt = Annotated[
    str,
    Field(min_length=3, max_length=MAX_PROMPT, description=f"Of more than {MAX_DRAWN} characters, the beginning."),
    AfterValidator(not_blank),
]


class FluxInput(BaseModel):
    """What FLUX models take on Replicate, as far as it has a meaning here; any other name is refused."""

    model_config = ConfigDict(extra="forbid")

    prompt: Prompt
    seed: Annotated[int | None, NotBoolean] = Field(None, ge=0, le=2**32 - 1, description="Random if absent.")
    num_outputs: Annotated[int, NotBoolean] = Field(1, ge=1, le=MAX_IMAGES, description="Variations of the prompt.")
    num_inference_steps: Annotated[int | None, NotBoolean] = Field(
        None, ge=1, le=50, description="The model's own if absent."
    )
    guidance: Annotated[float | None, NotBoolean] = Field(None, ge=0, le=20, description="Likewise.")
    width: Size | None = Field(None, description="As `height` if absent.")
    height: Size | None = Field(None, description="As `width` if absent.")
    aspect_ratio: Aspect = Field(
        "1:1",
        description="Of the pixels that FLUX gives it on Replicate; 1:1 and custom have no effect beside `width`.",
    )
    output_format: Literal["png"] = Field("png", description="PNG only.")
    output_quality: Annotated[int | None, NotBoolean] = Field(None, ge=0, le=100, description="No effect.")
    megapixels: Literal["1"] | None = Field(None, description="No effect.")
    go_fast: bool | None = Field(None, description="No effect.")
    disable_safety_checker: bool | None = Field(None, description="No effect: nothing is checked.")
    safety_tolerance: Annotated[int | None, NotBoolean] = Field(None, ge=0, le=6, description="No effect.")
    prompt_upsampling: bool | None = Field(None, description="No effect.")

    @property
    def size(self) -> Canvas:
        if edge := self.width or self.height:
            return Canvas(self.width or edge, self.height or edge)
        if self.aspect_ratio == "custom":
            return Canvas.of(DEFAULT_SIZE)
        turned = ":".join(reversed(self.aspect_ratio.split(":")))
        return PIXELS_OF.get(self.aspect_ratio) or PIXELS_OF[turned].turned

    @field_validator("aspect_ratio")
    @classmethod
    def _instead_of_pixels(cls, aspect: str, info: ValidationInfo) -> str:
        given = [name for name in ("width", "height") if info.data.get(name) is not None]
        if given and aspect not in ("1:1", "custom"):
            raise invalid(f"not with {given[0]}; custom, or none, beside it")
        return aspect

    @model_validator(mode="after")
    def _shape(self) -> Self:
        check_shape(self.size)
        return self


class PredictionRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"input": {"prompt": PROMPT_EXAMPLE, "width": 512}},
                {
                    "input": {"prompt": PROMPT_EXAMPLE, "seed": 7, "num_outputs": 2, "num_inference_steps": 20},
                    "version": "any",
                    "webhook": "https://example.com/prediction-done",
                    "webhook_events_filter": ["completed"],
                    "stream": False,
                },
            ]
        },
    )

    input: FluxInput = Field(description="What is drawn, and how.")
    version: str | None = Field(None, max_length=255, description="No effect.")
    webhook: str | None = Field(None, max_length=2048, description="Receives the prediction when it has ended.")
    webhook_events_filter: list[Literal["start", "output", "logs", "completed"]] | None = Field(
        None, description="Without `completed` no webhook is sent: the server sends no others."
    )
    stream: Literal[False] | None = Field(None, description="No effect.")


class ModelVersion(BaseModel):
    id: str
    created_at: str = "2026-01-01T00:00:00Z"
    cog_version: str = "0.13.0"
    openapi_schema: dict[str, dict[str, dict[str, dict[str, str]]]] = {
        "components": {"schemas": {"Output": {"type": "array"}}}
    }
