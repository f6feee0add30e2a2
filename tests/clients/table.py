"""Writes the table of docs/clients.md from the last run: `python tests/clients/table.py`."""

from __future__ import annotations

import json
import re
from pathlib import Path

from catalogue import CLIENTS
from environments import MADE

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
HEAD = "| client | version | example | result |\n|---|---|---|---|\n"


def rows(results: dict[str, str]) -> str:
    lines = [
        f"| {client.language}: `{client.package}` | {client.version} | `{client.script}`: {client.example} "
        f"| {results[client.script]} |\n"
        for client in CLIENTS
    ]
    return HEAD + "".join(lines)


def main() -> None:
    results = json.loads((MADE / "results.json").read_text())
    page = re.sub(r"(?:^\|.*\n)+", lambda _: rows(results), PAGE.read_text(), count=1, flags=re.MULTILINE)
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
