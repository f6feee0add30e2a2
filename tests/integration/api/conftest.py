"""An API on a port of its own, in this process, whose clients' connections the test holds."""

import asyncio
import contextlib
import functools
import json

import httpx
import pytest
import uvicorn

from api.app import create_app
from api.http_protocol import BoundedProtocol
from api.settings import ApiSettings
from shared.ledger import reads
from shared.ledger.keys import CALLS
from shared.stack.serve import free_port


@pytest.fixture
async def listen(valkey):
    """Starts an API on a port of its own and returns the port; several are as several processes."""
    async with contextlib.AsyncExitStack() as stack:

        async def _listen(**settings):
            app = create_app(ApiSettings(_env_file=None, redis_url=valkey.url, **settings))
            port = free_port()
            protocol = functools.partial(BoundedProtocol, idle=None)
            server = uvicorn.Server(uvicorn.Config(app, port=port, http=protocol, log_config=None))
            task = asyncio.create_task(server.serve())
            stack.push_async_callback(asyncio.wait, [task])
            stack.callback(setattr, server, "should_exit", True)
            await until(lambda: server.started)
            return port

        yield _listen


@pytest.fixture
def served():
    """Serves an ASGI application over our protocol; gives the server."""

    @contextlib.asynccontextmanager
    async def _served(app):
        server = uvicorn.Server(
            uvicorn.Config(app, port=free_port(), http=BoundedProtocol, log_config=None, lifespan="off")
        )
        task = asyncio.create_task(server.serve())
        await until(lambda: server.started)
        yield server
        server.should_exit = True
        await task

    return _served


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def send(port, path, body, *, key=""):
    """Sends a request and returns the connection, of which nothing is read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = json.dumps(body)
    head = f"POST {path} HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n"
    writer.write(f"{head}Authorization: Bearer {key}\r\n\r\n{data}".encode())
    return reader, writer


async def answer(port, path, body, **headers):
    async with httpx.AsyncClient(timeout=20) as http:
        return await http.post(f"http://127.0.0.1:{port}{path}", json=body, headers=headers)


@pytest.fixture
def queued(ledger):
    return lambda: ledger.run(reads.queued())


@pytest.fixture
def left(client):
    """Whether the ledger knows that so many calls were cut."""

    def _left(count=1):
        now = int(client.time()[0]) * 1000
        return client.zcount(CALLS, 0, now + 121_000) == count

    return _left
