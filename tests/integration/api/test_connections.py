"""What clients do with their connections, on real sockets: offers to upgrade, HTTP/1.0, polls with pauses."""

import asyncio
import contextlib
import functools
import json
import socket

import pytest
import uvicorn

from api import http_protocol
from api.http_protocol import BoundedProtocol
from api.idle_connections import IdleConnections
from shared.stack.serve import free_port

# What Java's HttpClient and `curl --http2` send with the first request of a connection.
OFFER = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"


async def echo(scope, receive, send):
    """Answers with the method, the path and the body; below /stream without a Content-Length."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    headers = dict(scope["headers"])
    seen = {"method": scope["method"], "path": scope["path"], "body": body.decode(), "upgrade": b"upgrade" in headers}
    answer = json.dumps(seen).encode()
    framed = [] if scope["path"] == "/stream" else [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": [*framed, (b"connection", b"keep-alive")]})
    await send({"type": "http.response.body", "body": answer[:5], "more_body": True})
    await send({"type": "http.response.body", "body": answer[5:]})


@contextlib.asynccontextmanager
async def serving(*, most_idle=10, **options):
    protocol = functools.partial(BoundedProtocol, idle=IdleConnections(most_idle))
    config = uvicorn.Config(echo, port=free_port(), http=protocol, log_config=None, lifespan="off", **options)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    writers = []

    async def connect(address="127.0.0.1"):
        reader, writer = await asyncio.open_connection("127.0.0.1", config.port, local_addr=(address, 0))
        writers.append(writer)
        return reader, writer

    try:
        async with asyncio.timeout(30):
            yield connect
    finally:
        for writer in writers:
            writer.close()
        server.should_exit = True
        await task


async def answer_of(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
    return head.partition("\r\n")[0], json.loads(await reader.readexactly(length))


def post(path, body, *, offer=OFFER, chunked=False):
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    sent = f"3\r\n{body[:3]}\r\n{len(body) - 3:x}\r\n{body[3:]}\r\n0\r\n\r\n" if chunked else body
    return f"POST {path} HTTP/1.1\r\nHost: t\r\n{offer}{framing}\r\n\r\n{sent}".encode()


def pieces(sent, how):
    """The packets: all at once, the head before its body, or byte by byte."""
    if how == "head first":
        head, end, body = sent.partition(b"\r\n\r\n")
        return [head + end, body]
    return [sent] if how == "at once" else [sent[i : i + 1] for i in range(len(sent))]


@pytest.mark.parametrize("how", ["at once", "head first", "byte by byte"])
@pytest.mark.parametrize("chunked", [False, True])
async def test_an_offer_to_upgrade_costs_no_body(how, chunked):
    async with serving() as connect:
        reader, writer = await connect()
        # The second request of the connection waits behind the first.
        for piece in pieces(post("/one", "a red fox", chunked=chunked) + post("/two", "leaf", chunked=chunked), how):
            writer.write(piece)
            await writer.drain()
        for path, body in (("/one", "a red fox"), ("/two", "leaf")):
            status, seen = await answer_of(reader)
            assert status == "http/1.1 200 ok"
            assert seen == {"method": "POST", "path": path, "body": body, "upgrade": False}


@pytest.mark.parametrize("how", ["at once", "head first", "byte by byte"])
@pytest.mark.parametrize("connection", ["Upgrade, close", "close, Upgrade, HTTP2-Settings"])
async def test_an_offer_on_a_connection_that_is_to_be_closed(how, connection):
    async with serving() as connect:
        reader, writer = await connect()
        offer = OFFER.replace("Upgrade, HTTP2-Settings", connection) + "Expect: 100-continue\r\n"
        for piece in pieces(post("/one", "a red fox", offer=offer), how):
            writer.write(piece)
            await writer.drain()
        assert (await reader.read()).endswith(b'"body": "a red fox", "upgrade": false}')


@pytest.mark.parametrize(("target", "path"), [("http://t", "/"), ("http://t?x=/y", "/"), ("HTTP://t/x?y", "/x")])
async def test_a_target_may_be_a_whole_url(target, path):
    async with serving() as connect:
        reader, writer = await connect()
        writer.write(f"GET {target} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
        assert (await answer_of(reader))[1]["path"] == path


@pytest.mark.parametrize("name", ["websocket", "h2c", "TLS/1.0", "websocket, h2c"])
async def test_no_offer_changes_a_get(name):
    async with serving() as connect:
        reader, writer = await connect()
        offer = f"Connection: keep-alive, upgrade\r\nUpgrade: {name}\r\nSec-WebSocket-Key: AA==\r\n"
        writer.write(f"GET /x?y=1 HTTP/1.1\r\nHost: t\r\n{offer}\r\nGET /z HTTP/1.1\r\nHost: t\r\n\r\n".encode())
        assert [(await answer_of(reader))[1]["path"] for _ in range(2)] == ["/x", "/z"]


async def test_thousands_of_offers_in_one_packet_are_answered():
    async with serving() as connect:
        reader, writer = await connect()
        writer.write(b"".join(post("/", "fox") for _ in range(2000)))
        for _ in range(2000):
            assert (await answer_of(reader))[1]["body"] == "fox"


async def test_a_head_with_an_offer_is_bounded(monkeypatch):
    monkeypatch.setattr(http_protocol, "MAX_HEAD_BYTES", 300)
    async with serving() as connect:
        reader, writer = await connect()
        writer.write(post("/", "fox", offer=OFFER + "X-Long: " + "x" * 300 + "\r\n"))
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")


async def test_a_body_with_an_offer_must_arrive_in_time(monkeypatch):
    monkeypatch.setattr(http_protocol, "REQUEST_SECONDS", 0.2)
    async with serving() as connect:
        reader, writer = await connect()
        writer.write(post("/", "a red fox")[:-1])
        assert b" 200 " not in await reader.read()


async def test_connect_is_refused():
    async with serving() as connect:
        reader, writer = await connect()
        writer.write(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("path", ["/stream", "/known"])
async def test_http_1_0_gets_no_chunks(path):
    async with serving() as connect:
        reader, writer = await connect()
        writer.write(f"GET {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".encode())
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
        assert json.loads(body)["path"] == path
        assert "transfer-encoding" not in head.lower()
        assert "connection: close" in head.lower()


async def test_many_idle_connections_of_one_address_cost_no_other_its_own():
    async with serving(most_idle=3) as connect:
        addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.2"]
        connections = [await connect(address) for address in addresses]
        for reader, writer in connections:
            writer.write(post("/", "fox", offer=""))
            await answer_of(reader)
        for reader, _ in connections[1:3]:
            assert await reader.read() == b""
        for reader, writer in (connections[0], *connections[3:]):
            writer.write(post("/", "again", offer=""))
            assert (await answer_of(reader))[1]["body"] == "again"


async def test_the_system_asks_whether_a_silent_client_is_still_there(monkeypatch):
    options = []
    made = BoundedProtocol.connection_made

    def noted(self, transport):
        made(self, transport)
        accepted = transport.get_extra_info("socket")
        options.append(accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        options.extend(
            accepted.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
            for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
        )

    monkeypatch.setattr(BoundedProtocol, "connection_made", noted)
    async with serving() as connect:
        await connect()
        while not options:
            await asyncio.sleep(0.01)
    assert options == [1, 45, 10, 3]


async def test_beyond_the_bound_the_connection_idle_longest_is_closed():
    async with serving(most_idle=2) as connect:
        connections = [await connect() for _ in range(3)]
        for reader, writer in connections[:2]:
            writer.write(post("/", "fox", offer=""))
            await answer_of(reader)
        (first, writer), (second, _), (third, last) = connections
        # The first is used again: the second is now idle longest.
        writer.write(post("/", "fox", offer=""))
        await answer_of(first)
        last.write(post("/", "fox", offer=""))
        await answer_of(third)
        assert await second.read() == b""
        for reader, writer in (connections[0], connections[2]):
            writer.write(post("/", "again", offer=""))
            assert (await answer_of(reader))[1]["body"] == "again"
