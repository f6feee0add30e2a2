"""Who may act on workers and on jobs of others: the holder of one of OPERATOR_KEYS. They are no keys of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from api.auth import DIGEST_SHOWN, Bearer, KeyHeader, offered_key
from shared.errors import Unauthorized

if TYPE_CHECKING:
    from api.auth import Keys


async def _maybe(request: Request, bearer: Bearer, header: KeyHeader) -> str | None:
    keys: Keys = request.app.state.operator_keys
    try:
        return keys.owner(offered_key(bearer, header))[:DIGEST_SHOWN] or None
    except Unauthorized:
        return None


# The beginning of the operator's digest; None for everybody else, and for all where OPERATOR_KEYS is empty.
MaybeOperator = Annotated[str | None, Depends(_maybe)]


async def _operator(found: MaybeOperator) -> str:
    if found is None:
        raise Unauthorized("an operator's key is needed, one of OPERATOR_KEYS: 'X-API-Key: KEY'")
    return found


Operator = Annotated[str, Depends(_operator)]
