"""Says that a body was not read as JSON because of its Content-Type; FastAPI's own error names the body's fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import Request
    from fastapi.exceptions import RequestValidationError


def faults(request: Request, error: RequestValidationError) -> list[dict[str, Any]]:
    """The items of `error`, with one for the Content-Type in place of those that follow from it."""
    items = [{"type": e["type"], "loc": list(e["loc"]), "msg": e["msg"]} for e in error.errors()]
    if not any(item["loc"] == ["body"] and item["type"] == "model_attributes_type" for item in items):
        return items
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given == "application/json" or (given.startswith("application/") and given.endswith("+json")):
        return items
    problem = f"must be application/json, not {given[:100]}" if given else "application/json is missing"
    return [{"type": "media_type", "loc": ["header", "Content-Type"], "msg": problem}]
