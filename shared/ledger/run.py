"""Atomic commands on Redis and their two runners: `Ledger` for blocking clients, `AsyncLedger` for asyncio."""

from __future__ import annotations

import hashlib
import re
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


class AsyncLedger:
    """Runs commands on an asyncio client."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self.client = client

    async def run(self, command: Command[T]) -> T:
        script, rest = command.call()
        try:
            reply = await self.client.evalsha(script.digest, *rest)
        except NoScriptError:
            # EVAL and not SCRIPT LOAD, as in `Ledger.run`.
            reply = await self.client.eval(script.text, *rest)
        return command.parse(reply)

    async def run_many(self, commands: list[Command[T]]) -> list[T | ValueError]:
        """Runs commands in one round trip. It sends the scripts' texts, because a missing script would fail within the
        pipeline. A reply that cannot be parsed is returned as its ValueError, beside the other results.
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
