"""Decides which addresses a webhook may be sent to, against server-side request forgery: public ones, and networks that
the operator allows. The API checks `webhook_url` with it, the webhook worker each resolved address.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    Networks = Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]

# IPv6 ranges that carry an IPv4 address and are routed by a third party (IPv4-compatible, NAT64, Teredo, 6to4), and the
# deprecated site-local range.
_REFUSED = [
    ipaddress.ip_network(network)
    for network in ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "fec0::/10")
]


def is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether a server that listens on `host` can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def may_be_called(address: str, allowed: Networks = ()) -> bool:
    """Whether a webhook may connect to a literal IP address. IPv4-mapped IPv6 (::ffff:a.b.c.d) is judged as IPv4."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    if any(found in network for network in allowed):
        return True
    return found.is_global and not found.is_multicast and not any(found in network for network in _REFUSED)


def check_webhook_url(url: str, *, allow_http: bool, allowed: Networks) -> None:
    """Checks what can be checked before the host name is resolved.

    :raises InvalidRequest: `url` is not one that may be called.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidRequest("webhook_url: not a URL")
    if parts.scheme != "https" and not (allow_http and parts.scheme == "http"):
        raise InvalidRequest("webhook_url: must begin with https://")
    if parts.username or parts.password:
        raise InvalidRequest("webhook_url: must not hold a user or a password")
    if is_literal(host) and not may_be_called(host, allowed):
        raise InvalidRequest("webhook_url: this address is not public")
