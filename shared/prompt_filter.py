"""Which prompts SAFETY refuses: those with a word of the library's list or of the operator's own.

glin-profanity compares whole words, whatever their case, accents and leetspeak, also where their letters stand apart
(docs/decisions/0029-what-is-not-drawn.md). It is imported where it is asked for: it is in the group `safety`.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from shared.settings import refuse

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def require(package: str) -> None:
    """:raises SystemExit: SAFETY needs a package that is not installed."""
    if importlib.util.find_spec(package) is None:
        refuse(f"setting SAFETY: it needs the package {package}: pip install --group safety -c constraints.txt")


class PromptFilter:
    def __init__(self, words: Iterable[str] = ()) -> None:
        """:param words: the operator's; phrases too."""
        from glin_profanity import Filter  # noqa: PLC0415 - see above

        self._filter = Filter(
            {
                "languages": ["english"],
                "detect_leetspeak": True,
                "leetspeak_level": "moderate",
                "normalize_unicode": True,
                "custom_words": list(words),
                "log_profanity": False,
            }
        )

    def refuses(self, prompt: str) -> bool:
        return bool(self._filter.is_profane(prompt))


def read_words(path: Path | None) -> list[str]:
    """The words of the operator's file: one per line, # for comments.

    :raises SystemExit: it cannot be read.
    """
    if path is None:
        return []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        refuse(f"setting SAFETY_WORDS_FILE={str(path)!r}: {getattr(error, 'strerror', None) or 'is no text in UTF-8'}")
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
