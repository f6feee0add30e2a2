"""Atomic commands on Redis: a Lua script with its keys, its arguments and the reading of its reply; who runs them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from redis.exceptions import NoScriptError

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis
    import redis.asyncio

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Command(Generic[T]):
    script: str
    keys: tuple[str, ...]
    args: tuple[str | int, ...]
    parse: Callable[[Any], T]

    def call(self) -> tuple[_Script, list[Any]]:
        """Its script, and what follows the script in EVALSHA and EVAL."""
        return _SCRIPTS[self.script], [len(self.keys), *self.keys, *self.args]


class _Script:
    """By its digest, so that its text need not travel each time."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


_SCRIPTS = {path.stem: _Script(path.read_text()) for path in (Path(__file__).parent / "lua").glob("*.lua")}


class Ledger:
    """Runs commands on a blocking client."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client

    def run(self, command: Command[T]) -> T:
        script, rest = command.call()
        try:
            reply = self.client.evalsha(script.digest, *rest)
        except NoScriptError:
            # Its text and the call in one: a server that restarts after a SCRIPT LOAD would have forgotten it again.
            reply = self.client.eval(script.text, *rest)
        return command.parse(reply)


class AsyncLedger:
    """Runs commands on an asyncio client."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self.client = client

    async def run(self, command: Command[T]) -> T:
        script, rest = command.call()
        try:
            reply = await self.client.evalsha(script.digest, *rest)
        except NoScriptError:
            # As above.
            reply = await self.client.eval(script.text, *rest)
        return command.parse(reply)

    async def run_many(self, commands: list[Command[T]]) -> list[T | ValueError]:
        """One round trip for all of them, texts included: a script that is missing would fail in mid-pipeline. A reply
        that cannot be read is its error, and keeps nobody from the others.
        """
        pipeline = self.client.pipeline(transaction=False)
        for command in commands:
            script, rest = command.call()
            pipeline.eval(script.text, *rest)
        replies = await pipeline.execute()
        readings: list[T | ValueError] = []
        for command, reply in zip(commands, replies, strict=True):
            try:
                readings.append(command.parse(reply))
            except ValueError as error:
                readings.append(error)
        return readings
