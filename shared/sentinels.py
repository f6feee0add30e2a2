"""`sentinel://` in REDIS_URL: where the Sentinels are, the primary's name, and who may ask.

shared/sentinel_connections.py connects; reading the settings needs no client of Redis.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

SCHEME = "sentinel://"
FORM = "sentinel://[user:password@]host[:port][,host[:port]...]/NAME[/db] for the primary that Sentinels know by NAME"
_PORT = 26379
_OPTIONS = ("sentinel_username", "sentinel_password")
# A Sentinel answers from its memory. One that is gone costs this once, then the others are asked before it.
ANSWER_SECONDS = 0.4


@dataclass(frozen=True)
class Sentinels:
    hosts: tuple[tuple[str, int], ...]
    name: str  # of the primary, as the Sentinels know it
    db: int = 0
    username: str | None = field(default=None, repr=False)  # of the servers of data
    password: str | None = field(default=None, repr=False)
    own: dict[str, str] = field(default_factory=dict, repr=False)  # username and password of the Sentinels themselves

    @property
    def login(self) -> dict[str, Any]:
        """redis-py's arguments for a connection to a server of data."""
        return {"db": self.db, "username": self.username, "password": self.password}

    @property
    def asking(self) -> dict[str, Any]:
        """redis-py's arguments for a connection to a Sentinel, without its `retry`."""
        return {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": ANSWER_SECONDS, **self.own}


def parse(url: str) -> Sentinels:
    """:raises ValueError: in one line, without the passwords."""
    rest, _, query = url.removeprefix(SCHEME).partition("?")
    netloc, slash, path = rest.partition("/")
    login, _, places = netloc.rpartition("@")
    name, _, db = path.partition("/")
    user, _, password = login.partition(":")
    wrong = ValueError(f"not a URL of Sentinels: {FORM}; user and password percent-encoded")
    # Celery's URLs of Sentinels have the database where the name is here.
    if not slash or not name or name.isdecimal() or "/" in db or "#" in url or "@" in login or not url.isprintable():
        raise wrong
    if db and not (db.isascii() and db.isdecimal()):
        raise ValueError(f"the database must be a number, as in {SCHEME}host:26379/NAME/0")
    try:
        options = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True)) if query else {}
        hosts = tuple(map(_place, places.split(",")))
    except ValueError:
        raise wrong from None
    if unknown := sorted(set(options) - set(_OPTIONS)):
        raise ValueError(f"option {unknown[0][:40]!r} is not supported; those of {SCHEME} are {', '.join(_OPTIONS)}")
    own = {name.removeprefix("sentinel_"): value for name, value in options.items()}
    return Sentinels(hosts, unquote(name), int(db or 0), unquote(user) or None, unquote(password) or None, own)


def _place(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    host = host if colon else text
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(text)
    if not host or (colon and not (port.isascii() and port.isdecimal() and 0 < int(port) <= 65535)):  # noqa: PLR2004 - TCP's
        raise ValueError(text)
    return host, int(port) if colon else _PORT
