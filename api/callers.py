"""Says from which address a request comes. Limits, streams and the access log count by it where no API key is known.

Anyone can write X-Forwarded-For, so it counts only from a proxy that TRUSTED_PROXIES names, and only as far back as
each hop is such a proxy.
"""

from __future__ import annotations

import functools
import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from shared.addresses import Networks

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Hops that are looked at, from the nearest: a client may send any number of them.
MAX_HOPS = 32


def address(scope: Scope) -> str:
    """The client's IP address in its one spelling, so that its length is bounded and no client has two; 'unknown' on a
    Unix socket.
    """
    return _spelled(scope["client"][0]) if scope.get("client") else "unknown"


@functools.lru_cache(4096)
def _spelled(host: str) -> str:
    found = _parse(host)
    return str(found) if found else "unknown"


class ForwardedAddress:
    """ASGI middleware that puts the client's own address and scheme in the place of a trusted proxy's."""

    def __init__(self, app: ASGIApp, trusted: Networks) -> None:
        self.app = app
        self._trusted = trusted

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http" and self._trusted and self._trusts(peer := _parse((scope["client"] or ("",))[0])):
            found, scheme = _forwarded(scope)
            for hop in found:
                if not self._trusts(peer):
                    break
                peer = hop
            scope["client"] = (str(peer), 0)
            if scheme in ("http", "https"):
                scope["scheme"] = scheme
        return self.app(scope, receive, send)

    def _trusts(self, hop: Address | None) -> bool:
        return hop is not None and any(hop in network for network in self._trusted)


def _forwarded(scope: Scope) -> tuple[list[Address], str]:
    """The hops of X-Forwarded-For from the nearest on, up to the first that is no address; X-Forwarded-Proto."""
    named = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    schemes = [value.decode("latin-1").strip() for name, value in scope["headers"] if name == b"x-forwarded-proto"]
    hops = []
    for text in reversed(",".join(named).rsplit(",", MAX_HOPS)[-MAX_HOPS:]):
        hop = _parse(_without_port(text.strip()))
        if hop is None:
            break
        hops.append(hop)
    return hops, schemes[-1] if schemes else ""


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host


# A client's calls come from one address, and each asks for it several times.
@functools.lru_cache(4096)
def _parse(host: str) -> Address | None:
    try:
        # Without its zone, which may be of any length. An IPv4 address as IPv6 (::ffff:a.b.c.d) is the IPv4 address.
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found
