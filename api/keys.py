"""`python -m api.keys`: makes and lists the keys of KEYS_FILE (shared/tenants.py), and forgets what a key has left.

`new NAME` prints the key once; the file has only its SHA-256.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from api.auth import digest
from api.forgetting import forget_owner
from api.settings import ApiSettings
from shared import tenants
from shared.connection import UNAVAILABLE
from shared.settings import load, refuse
from shared.tenants import Tenants

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY_BYTES = 32


def new(name: str, file: Path | None) -> str:
    """Adds an entry to `file` and returns the key; without a file, prints the entry.

    :raises ValueError: the name is taken or none, or the file is broken.
    """
    if not re.fullmatch(tenants.NAME, name):
        raise ValueError(f"NAME: must match {tenants.NAME}")
    key = secrets.token_urlsafe(KEY_BYTES)
    entry = f'\n[[key]]\nname = "{name}"\nhash = "{digest(key)}"\n'
    if file is None:
        print(f"# for keys.toml, to which KEYS_FILE points:{entry}")  # noqa: T201 - a command's output
        return key
    before = file.read_text(encoding="utf-8-sig") if file.exists() else ""
    text = before + ("" if not before or before.endswith("\n") else "\n") + entry
    try:
        tenants.parse(text)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    # Appended in one write, so that mode, owner and a container's mount of the file stay.
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "w", encoding="utf-8") as out:
        out.write(text.removeprefix(before))
    return key


def _list(known: Tenants) -> None:
    for tenant in known.all():
        set_here = tenant.model_dump(mode="json", exclude={"name", "webhook_secrets"}, exclude_unset=True)
        details = ", ".join(f"{field} {value}" for field, value in set_here.items())
        print(f"{tenant.name}: {details}{', webhook secrets' * bool(tenant.webhook_secrets)}")  # noqa: T201


def owner_of(who: str, known: Tenants) -> str:
    """The owner by a key's name or SHA-256.

    :raises ValueError: it is neither.
    """
    found = {tenant.name: tenant.hash for tenant in known.all()}.get(who, who)
    if not re.fullmatch("[0-9a-f]{64}", found):
        raise ValueError(f"{who}: neither the name of a key in KEYS_FILE nor a key's SHA-256")
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m api.keys", description="The keys of KEYS_FILE.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("new", help="make a key; it is printed once").add_argument("name", metavar="NAME")
    commands.add_parser("list", help="the keys, without secrets")
    forget = commands.add_parser("forget", help="remove all jobs of a key, with prompts and images; its usage stays")
    forget.add_argument("who", metavar="NAME", help="a name, or a key's SHA-256")
    asked = parser.parse_args(arguments)
    # A broken or missing file must not keep `new` from saying so itself.
    where = os.environ.get("KEYS_FILE", "")
    if asked.command == "new" and where and not Path(where).expanduser().exists():
        file: Path | None = Path(where).expanduser()
    else:
        settings = load(ApiSettings)
        file = settings.keys_file
    try:
        if asked.command == "new":
            print(new(asked.name, file))  # noqa: T201
            print("this key is shown once", file=sys.stderr)  # noqa: T201
        elif asked.command == "list":
            _list(Tenants(file))
        else:
            count = asyncio.run(forget_owner(settings, owner_of(asked.who, Tenants(file))))
            print(f"{count} jobs forgotten, the append-only file is rewritten")  # noqa: T201
    except ValueError as error:
        refuse(str(error))
    except UNAVAILABLE as error:
        raise SystemExit(f"Redis: {error}") from None


if __name__ == "__main__":
    main()
