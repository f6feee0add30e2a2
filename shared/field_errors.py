"""The error that validators of requests raise."""

from __future__ import annotations

from pydantic_core import PydanticCustomError


def invalid(message: str) -> PydanticCustomError:
    """Pydantic would prefix the message of a ValueError with "Value error, "."""
    return PydanticCustomError("value_error", "{message}", {"message": message})
