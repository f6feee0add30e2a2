"""The port that several API processes share."""

import asyncio
import socket

import pytest

from api import server
from api.settings import ApiSettings
from shared.stack.ports import free_port


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_an_answer_on_a_shared_port_waits_for_no_acknowledgement(host):
    """Its body follows its head, and would be sent once the client has acknowledged the head: up to 40 ms later."""
    (bound,) = server._bound(ApiSettings(_env_file=None, host=host, port=free_port()))
    accepted = asyncio.get_running_loop().create_future()
    async with await asyncio.start_server(lambda _, writer: accepted.set_result(writer), sock=bound):
        _, client = await asyncio.open_connection(host, bound.getsockname()[1])
        writer = await accepted
        assert writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()
        client.close()
