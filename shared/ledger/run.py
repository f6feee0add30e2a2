"""Atomic commands on Redis and their two runners: `Ledger` for blocking clients, `AsyncLedger` for asyncio."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from redis.exceptions import NoScriptError

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis
    import redis.asyncio

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Command(Generic[T]):
    """A call of a Lua script with its keys and arguments, and the parser of its reply."""

    script: str  # the name of a file in lua/, without its extension
    keys: tuple[str, ...]
    args: tuple[str | int, ...]
    parse: Callable[[Any], T]

    def call(self) -> tuple[_Script, list[Any]]:
        """The script, and the arguments that follow it in EVALSHA and EVAL."""
        return _SCRIPTS[self.script], [len(self.keys), *self.keys, *self.args]


class _Script:
    """A script's text and digest; a call by digest need not send the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


_LUA = Path(__file__).parent / "lua"


def _read(name: str) -> str:
    """The text of a script. A line `-- include NAME` in it stands for the file NAME.part.lua, which scripts share."""
    text = (_LUA / f"{name}.lua").read_text(encoding="utf-8")
    return re.sub(r"^-- include (\w+)\n", lambda line: _read(f"{line[1]}.part"), text, flags=re.MULTILINE)


_SCRIPTS = {path.stem: _Script(_read(path.stem)) for path in _LUA.glob("*.lua") if not path.match("*.part.lua")}


class Ledger:
    """Runs commands on a blocking client."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client

    def run(self, command: Command[T]) -> T:
        script, rest = command.call()
        try:
            reply = self.client.evalsha(script.digest, *rest)
        except NoScriptError:
            # EVAL sends text and call together; after a SCRIPT LOAD, a server that restarts loses the script again.
            reply = self.client.eval(script.text, *rest)
        return command.parse(reply)


# Round trips of one process at the same time. More would only make each smaller: what is asked for meanwhile goes with
# the next one, and shares its cost in the client, on the way and, with `appendfsync always`, on the server's disk.
MOST_TRIPS = 2
# Commands of one round trip, so that a reply is bounded.
BATCH = 500


class AsyncLedger:
    """Runs commands on an asyncio client. Those that are asked for while MOST_TRIPS are under way share the next."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self.client = client
        self._asked: deque[tuple[Command[Any], asyncio.Future[Any]]] = deque()
        self._under_way = 0
        self._trips: set[asyncio.Task[None]] = set()

    async def run(self, command: Command[T]) -> T:
        if self._under_way >= MOST_TRIPS:
            future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            self._asked.append((command, future))
            return await future
        self._under_way += 1
        try:
            return await self.run_alone(command)
        finally:
            self._ended()

    async def run_alone(self, command: Command[T]) -> T:
        """As `run`, in a round trip of its own: for what keeps the server busy for long."""
        script, rest = command.call()
        try:
            reply = await self.client.evalsha(script.digest, *rest)
        except NoScriptError:
            # EVAL and not SCRIPT LOAD, as in `Ledger.run`.
            reply = await self.client.eval(script.text, *rest)
        return command.parse(reply)

    async def run_many(self, commands: list[Command[T]]) -> list[T | ValueError]:
        """Runs commands in one round trip. A reply that cannot be parsed is returned as its ValueError, beside the
        other results.
        """
        results = await self._results(commands)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, ValueError):
                raise result
        return results

    def _ended(self) -> None:
        """A round trip has ended: begins the next one, with all that was asked for meanwhile."""
        self._under_way -= 1
        if self._asked:
            self._under_way += 1
            trip = asyncio.create_task(self._run_asked(), name="ledger-trip")
            self._trips.add(trip)
            trip.add_done_callback(self._trips.discard)

    async def _run_asked(self) -> None:
        # Whoever was canceled meanwhile wants nothing any more.
        asked = [pair for _ in range(min(BATCH, len(self._asked))) if not (pair := self._asked.popleft())[1].done()]
        try:
            results = await self._results([command for command, _ in asked])
        except Exception as error:  # noqa: BLE001 - whatever it is, each caller gets it
            results = [error] * len(asked)
        finally:
            self._ended()
        for (_, future), result in zip(asked, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    async def _results(self, commands: list[Command[Any]]) -> list[Any]:
        """What each command returns, or its own error, of one round trip; of two where the server lacks a script."""
        calls = [(script.digest, rest) for script, rest in (command.call() for command in commands)]
        replies = await self._pipelined(calls, "evalsha")
        lacking = [number for number, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if lacking:
            calls = [(script.text, rest) for script, rest in (commands[number].call() for number in lacking)]
            for number, reply in zip(lacking, await self._pipelined(calls, "eval"), strict=True):
                replies[number] = reply
        return [_parsed(command, reply) for command, reply in zip(commands, replies, strict=True)]

    async def _pipelined(self, calls: list[tuple[str, list[Any]]], how: Literal["eval", "evalsha"]) -> list[Any]:
        pipeline = self.client.pipeline(transaction=False)
        for script, rest in calls:
            getattr(pipeline, how)(script, *rest)
        replies: list[Any] = await pipeline.execute(raise_on_error=False)
        return replies


def _parsed(command: Command[Any], reply: Any) -> Any:
    """The parsed reply; an error that the server answered, or the ValueError of a reply that cannot be parsed."""
    if isinstance(reply, Exception):
        return reply
    try:
        return command.parse(reply)
    except ValueError as error:
        return error
