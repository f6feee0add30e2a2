"""Who a request comes from: X-Forwarded-For counts from trusted proxies only."""

from ipaddress import ip_network

import pytest

from api.callers import MAX_HOPS, ForwardedAddress, address

PROXIES = [ip_network("127.0.0.1"), ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


async def seen(peer, *forwarded, trusted=PROXIES, proto="", scheme="http"):
    scopes = []

    async def app(scope, *_):
        scopes.append(scope)

    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    headers += [(b"x-forwarded-proto", proto.encode())] if proto else []
    scope = {"type": "http", "client": peer and (peer, 1234), "headers": headers, "scheme": scheme}
    await ForwardedAddress(app, trusted)(scope, None, None)
    return address(scopes[0]), scopes[0]["scheme"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("127.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("127.0.0.1", ["203.0.113.7:5123"], "203.0.113.7"),
        ("127.0.0.1", ["[2001:db8::7]:5123"], "2001:db8::7"),
        ("127.0.0.1", ["2001:DB8:0::0007"], "2001:db8::7"),
        ("::ffff:127.0.0.1", ["::ffff:203.0.113.7"], "203.0.113.7"),
        # What the client itself wrote stands before what the proxies appended.
        ("127.0.0.1", ["1.1.1.1, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        ("127.0.0.1", ["1.1.1.1", "203.0.113.7"], "203.0.113.7"),
        ("127.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("127.0.0.1", ["203.0.113.7, nonsense"], "127.0.0.1"),
        ("127.0.0.1", ["nonsense, 10.0.0.2"], "10.0.0.2"),
        ("127.0.0.1", ["x" * 20000], "127.0.0.1"),
        ("127.0.0.1", ["fe80::1%" + "x" * 20000], "fe80::1"),
        ("127.0.0.1", [""], "127.0.0.1"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.7" + ", 10.0.0.2" * MAX_HOPS], "10.0.0.2"),
        ("203.0.113.9", ["203.0.113.7"], "203.0.113.9"),
        ("fe80::1%eth0", [], "fe80::1"),
        (None, ["203.0.113.7"], "unknown"),
    ],
)
async def test_the_client_is_the_first_hop_that_is_no_proxy(peer, forwarded, client):
    assert (await seen(peer, *forwarded))[0] == client


async def test_by_default_nobody_is_believed():
    assert await seen("127.0.0.1", "203.0.113.7", trusted=(), proto="https") == ("127.0.0.1", "http")


@pytest.mark.parametrize(("proto", "scheme"), [("https", "https"), ("http", "http"), ("ftp", "http"), ("", "http")])
async def test_the_scheme_is_the_proxys(proto, scheme):
    assert (await seen("127.0.0.1", proto=proto))[1] == scheme
    assert (await seen("203.0.113.9", proto=proto))[1] == "http"
