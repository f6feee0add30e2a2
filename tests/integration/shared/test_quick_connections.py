import asyncio
import contextlib
import os
import signal

import pytest
import redis

from shared.connection import bulk_client, prompt_client


async def test_a_command_is_sent_without_a_task(valkey):
    made = []

    def noted(loop, coroutine, **kwargs):
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **kwargs)

    async with prompt_client(valkey.url) as client:
        await client.set("key", "value")
        asyncio.get_running_loop().set_task_factory(noted)
        try:
            assert await client.get("key") == b"value"
        finally:
            asyncio.get_running_loop().set_task_factory(None)
    assert made == []


async def test_all_kinds_of_arguments_arrive(valkey):
    async with prompt_client(valkey.url) as client:
        await client.rpush("list", "é", b"\xff", 7, 0.5, memoryview(b"view"), bytearray(b"array"), "")
        assert await client.lrange("list", 0, -1) == ["é".encode(), b"\xff", b"7", b"0.5", b"view", b"array", b""]
        with pytest.raises(redis.DataError):
            await client.set("key", None)


@pytest.mark.parametrize("length", [8, 32 * 1024 * 1024])
async def test_a_server_that_does_not_read_is_given_up(own_valkey, length):
    """A short command finds room on the way; a long one waits for the server to read."""
    async with bulk_client(own_valkey.url) as client:
        client.connection_pool.connection_kwargs["socket_timeout"] = 0.5
        await client.ping()
        (connection,) = client.connection_pool._available_connections
        writer = connection._writer
        os.kill(own_valkey.process.pid, signal.SIGSTOP)
        try:
            with pytest.raises(redis.TimeoutError):
                await client.set("key", b"x" * length)
        finally:
            os.kill(own_valkey.process.pid, signal.SIGCONT)
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()  # what was not sent goes first
