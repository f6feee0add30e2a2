"""Which kernels timings have chosen, kept with what is compiled: a start times again only what it has not met.

So a seed also draws the same image after a restart, where two kernels are about as fast. The folder is that of one kind
of card and one set of versions; any change of this package's own files is another set of choices.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from shared.observability.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

log = get_logger(__name__)
# In torch's folder of compiled code, which worker/flux/compile_cache.py sets.
FOLDER, NAME = "TORCHINDUCTOR_CACHE_DIR", "choices.json"


def choose(what: str, known: Collection[str], time: Callable[[], str]) -> str:
    """What was chosen for `what` among `known`; else what `time` says, which is kept.

    :param what: everything that the choice depends on but the card, the versions and this package.
    """
    folder = os.environ.get(FOLDER)
    if not folder:
        return time()
    path, key = Path(folder) / NAME, f"{what} of {' '.join(sorted(known))}, {_code()}"
    kept = _read(path).get(key)
    if kept in known:
        return str(kept)
    chosen = time()
    # Another worker may have kept its own meanwhile.
    _write(path, _read(path) | {key: chosen})
    return chosen


def _read(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        log.warning("choices.unreadable", path=str(path), error=repr(error))
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, choices: dict[str, object]) -> None:
    """Whole or not at all: others read it meanwhile."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=NAME, delete=False) as file:
            json.dump(choices, file, indent=1)
        Path(file.name).replace(path)
    except OSError as error:
        log.warning("choices.not_kept", path=str(path), error=repr(error))


@lru_cache
def _code() -> str:
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
