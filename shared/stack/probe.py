"""`python -m shared.stack.probe`: checks the health of each part of `make serve`; the all-in-one image's HEALTHCHECK.

It asks the URLs that the stack wrote to DATA_DIR/run/health_urls, prints the first failure and exits with 1.
"""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path

# The standard library only, for a fast start: the probe runs every ten seconds.
TIMEOUT_SECONDS = 3
# Not by the environment's proxy, which does not reach this machine.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def main() -> None:
    urls = Path(os.environ.get("DATA_DIR", "data"), "run", "health_urls").read_text(encoding="utf-8").split()
    for url in urls:
        if reason := trouble(url):
            raise SystemExit(f"{url}: {reason}")


def trouble(url: str) -> str:
    """What is wrong at `url`; empty if nothing is."""
    try:
        with _direct.open(url, timeout=TIMEOUT_SECONDS):
            return ""
    except urllib.error.HTTPError as error:
        return error.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return repr(error)


if __name__ == "__main__":
    main()
