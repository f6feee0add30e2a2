"""Keeps prompts out of the log: diffusers writes there what its encoders cut off a prompt that is too long for them."""

from __future__ import annotations

import logging
import re

from shared.observability.logging import get_logger

log = get_logger(__name__)
_LIBRARY = "diffusers.pipelines.flux.pipeline_flux"
_TRUNCATED = re.compile(r"was truncated because (CLIP|.max_sequence_length.).*? (\d+) tokens", re.DOTALL)


def install() -> None:
    # A filter is added once, however often a model is set up.
    logging.getLogger(_LIBRARY).addFilter(_without_prompt)


def _without_prompt(record: logging.LogRecord) -> bool:
    found = _TRUNCATED.search(record.getMessage())
    if found is None:
        return True
    log.info("prompt.truncated", encoder="CLIP" if found[1] == "CLIP" else "T5", tokens=int(found[2]))
    return False
