"""SAFETY at the API: the filter of prompts, and what is said where nobody has decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import prompt_filter
from shared.observability.logging import get_logger

if TYPE_CHECKING:
    from api.settings import ApiSettings

log = get_logger(__name__)


def open_filter(settings: ApiSettings) -> prompt_filter.PromptFilter | None:
    """:raises SystemExit: its package is missing, or the operator's words cannot be read."""
    if not settings.filters_prompts:
        return None
    prompt_filter.require("glin_profanity")
    return prompt_filter.PromptFilter(prompt_filter.read_words(settings.safety_words_file))


def say_what_is_off(settings: ApiSettings) -> None:
    if settings.safety is None:
        log.warning(
            "safety.off",
            hint="FLUX.1-dev's licence (FLUX.1 [dev] Non-Commercial License) asks who deploys it for filters of what is"
            " asked and drawn: SAFETY=both. SAFETY=off says that none is needed, as for FLUX.1-schnell (Apache 2.0)",
        )
