"""Reads REDIS_URL for Celery's client, kombu, which reads it otherwise than redis-py: of `rediss://` it verifies no
certificate unless it is told to, and the two know different options. What they do not both do is refused at the start.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from shared import sentinels

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from shared.sentinels import Sentinels

SUPPORTED = (
    "redis://[user:password@]host[:port][/db], rediss:// likewise, or unix://[user:password@]/path[?db=N]; user and"
    " password percent-encoded; one server, no Redis Cluster; or " + sentinels.FORM
)
_PORT = 6379
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_CHOICES = {"ssl_cert_reqs": ("required", "none"), "ssl_check_hostname": ("true", "false")}
_TLS = (*_FILES, *_CHOICES)


@dataclass(frozen=True, slots=True)
class Broker:
    """What Celery needs to reach the same server as redis-py, as the same user, with the same checks."""

    url: str
    use_ssl: dict[str, Any] | None  # Celery's broker_use_ssl; None without TLS
    sentinels: Sentinels | None = None  # those of which Celery asks for the server


def check(url: str) -> str:
    """`url`, if both clients can use it.

    :raises ValueError: in one line, without the password.
    """
    if url.startswith(sentinels.SCHEME):
        sentinels.parse(url)
        return url
    parts, options = _parse(url)
    if parts.scheme == "rediss":
        _check_files(options)
    return url


def broker(url: str) -> Broker:
    """:raises ValueError: as `check`."""
    if url.startswith(sentinels.SCHEME):
        return _of_sentinels(sentinels.parse(url))
    parts, options = _parse(url)
    login = _login(unquote(parts.username or ""), unquote(parts.password or ""))
    if parts.scheme == "unix":
        return Broker(f"redis+socket://{login}{quote(unquote(parts.path))}?virtual_host={options.get('db', 0)}", None)
    host = _host(unquote(parts.hostname or "localhost"))
    db = options.get("db") or parts.path.strip("/") or "0"
    return Broker(f"{parts.scheme}://{login}{host}:{parts.port or _PORT}/{db}", _tls(parts, options))


def _of_sentinels(found: Sentinels) -> Broker:
    login = _login(found.username or "", found.password or "")
    url = ";".join(f"{sentinels.SCHEME}{login}{_host(host)}:{port}/{found.db}" for host, port in found.hosts)
    return Broker(url, None, found)


def _login(user: str, password: str) -> str:
    return f"{quote(user, safe='')}:{quote(password, safe='')}@" if user or password else ""


def _host(name: str) -> str:
    return f"[{name}]" if ":" in name else name


def _tls(parts: SplitResult, options: dict[str, str]) -> dict[str, Any] | None:
    """redis-py's arguments, which kombu hands on to it. They name what redis-py would do by default."""
    if parts.scheme != "rediss":
        return None
    verify = options.get("ssl_cert_reqs", "required") == "required"
    return {
        "ssl_cert_reqs": ssl.CERT_REQUIRED if verify else ssl.CERT_NONE,
        "ssl_check_hostname": verify and options.get("ssl_check_hostname", "true") == "true",
        **{name: options[name] for name in _FILES if name in options},
    }


def _parse(url: str) -> tuple[SplitResult, dict[str, str]]:
    try:
        parts = urlsplit(url)
        _ = parts.port
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)) if parts.query else {}
    except ValueError:
        # Its own words may hold the password, for example where a slash in it is taken for the end of the host.
        raise ValueError(f"not a URL of Redis: {SUPPORTED}") from None
    if parts.scheme not in ("redis", "rediss", "unix") or parts.fragment or not url.isprintable():
        raise ValueError(f"not supported: {SUPPORTED}")
    if unknown := sorted(set(options) - {"db", *_TLS}):
        raise ValueError(f"option {unknown[0][:40]!r} is not supported; those of a URL are db, {', '.join(_TLS)}")
    if parts.scheme != "rediss" and (tls := sorted(set(options) & set(_TLS))):
        raise ValueError(f"option {tls[0]!r} needs rediss://")
    for name, choices in _CHOICES.items():
        if options.get(name, choices[0]) not in choices:
            raise ValueError(f"option {name!r} must be {' or '.join(choices)}")
    _check_place(parts, options)
    return parts, options


def _check_place(parts: SplitResult, options: dict[str, str]) -> None:
    if parts.scheme == "unix":
        if parts.hostname or len(parts.path) <= 1:
            raise ValueError("unix:// needs the absolute path of a socket, such as unix:///run/redis.sock")
        db = options.get("db", "0")
    else:
        path = parts.path.strip("/")
        db = options.get("db") or path or "0"
        if path and path != db:
            raise ValueError("the path and the option 'db' name different databases")
    if not (db.isascii() and db.isdecimal()):
        raise ValueError("the database must be a number, as in redis://localhost:6379/0")


def _check_files(options: dict[str, str]) -> None:
    """Loads the files of certificates as the clients do, so that a wrong one ends the start instead of each call."""
    if "ssl_keyfile" in options and "ssl_certfile" not in options:
        raise ValueError("option 'ssl_keyfile' needs 'ssl_certfile'")
    context = ssl.create_default_context()
    try:
        if ca := options.get("ssl_ca_certs"):
            context.load_verify_locations(ca)
        if certificate := options.get("ssl_certfile"):
            context.load_cert_chain(certificate, options.get("ssl_keyfile"))
    except OSError as error:
        named = ", ".join(name for name in _FILES if name in options)
        raise ValueError(f"{named} cannot be loaded: {error.strerror or error}") from None
