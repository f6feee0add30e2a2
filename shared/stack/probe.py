"""`python -m shared.stack.probe`: whether each part of `make serve` says that it is well; for the all-in-one image's
HEALTHCHECK. Prints and ends with 1 at the first that does not. The stack has written where to ask.
"""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path

# Nothing of the stack is imported: this runs every ten seconds.
TIMEOUT_SECONDS = 3


def main() -> None:
    urls = Path(os.environ.get("DATA_DIR", "data"), "run", "health_urls").read_text(encoding="utf-8").split()
    for url in urls:
        if reason := trouble(url):
            raise SystemExit(f"{url}: {reason}")


def trouble(url: str) -> str:
    """Empty: none."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS):  # noqa: S310 - our own, http
            return ""
    except urllib.error.HTTPError as error:
        return error.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return repr(error)


if __name__ == "__main__":
    main()
