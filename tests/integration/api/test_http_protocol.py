"""Clients that read nothing of their answer, or little at a time, on real sockets."""

import asyncio
import contextlib
import socket

import pytest

from api import http_protocol

BODY = b"x" * 12_000_000


async def answer(_scope, _receive, send):
    headers = [(b"content-length", str(len(BODY)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


@pytest.fixture
def ask(served):
    """Sends a request; gives the connection, from which nothing is read yet, and the server's connections."""

    @contextlib.asynccontextmanager
    async def _ask():
        async with served(answer) as server:
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
                client.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_connect(client, ("127.0.0.1", server.config.port))
                await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
                while not server.server_state.connections:
                    await asyncio.sleep(0.01)
                yield client, server.server_state.connections

    return _ask


async def test_who_takes_nothing_of_an_answer_is_cut_off(ask, monkeypatch):
    monkeypatch.setattr(http_protocol, "UNREAD_SECONDS", 0.2)
    async with ask() as (_, connections), asyncio.timeout(5):
        while connections:
            await asyncio.sleep(0.01)


async def test_who_takes_little_at_a_time_gets_it_all(ask, monkeypatch):
    monkeypatch.setattr(http_protocol, "UNREAD_SECONDS", 1)
    loop, got, start = asyncio.get_running_loop(), 0, asyncio.get_running_loop().time()
    async with ask() as (client, _), asyncio.timeout(60):
        while taken := await loop.sock_recv(client, 2**20):
            got += len(taken)
            await asyncio.sleep(0.03 if got < len(BODY) else 0)
    assert got > len(BODY)
    assert loop.time() - start > 2
