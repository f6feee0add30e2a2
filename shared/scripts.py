"""Atomic commands on Redis: a Lua script with its keys, its arguments and the reading of its reply; who runs them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis
    import redis.asyncio

T = TypeVar("T")

SCRIPTS = {path.stem: path.read_text() for path in (Path(__file__).parent / "lua").glob("*.lua")}


@dataclass(frozen=True, slots=True)
class Command(Generic[T]):
    script: str
    keys: tuple[str, ...]
    args: tuple[str | int, ...]
    parse: Callable[[Any], T]


class Ledger:
    """Runs commands on a blocking client."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self._scripts = {name: client.register_script(text) for name, text in SCRIPTS.items()}

    def run(self, command: Command[T]) -> T:
        return command.parse(self._scripts[command.script](keys=command.keys, args=command.args))


class AsyncLedger:
    """Runs commands on an asyncio client."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self.client = client
        self._scripts = {name: client.register_script(text) for name, text in SCRIPTS.items()}

    async def run(self, command: Command[T]) -> T:
        return command.parse(await self._scripts[command.script](keys=command.keys, args=command.args))

    async def run_many(self, commands: list[Command[T]]) -> list[T]:
        """One round trip for all of them."""
        pipeline = self.client.pipeline(transaction=False)
        for command in commands:
            await self._scripts[command.script](keys=command.keys, args=command.args, client=pipeline)
        replies = await pipeline.execute()
        return [command.parse(reply) for command, reply in zip(commands, replies, strict=True)]
