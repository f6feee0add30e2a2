"""Says that a body was not read as JSON because of its headers; FastAPI's own error names the body or its fields."""

from __future__ import annotations

from email.message import Message
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import Request
    from fastapi.exceptions import RequestValidationError


def faults(request: Request, error: RequestValidationError) -> list[dict[str, Any]]:
    """The items of `error`, with one for the header in place of those that follow from it."""
    items = [{"type": e["type"], "loc": list(e["loc"]), "msg": e["msg"]} for e in error.errors()]
    if any(item["type"] == "json_invalid" for item in items):
        return [unreadable(request) or item for item in items]
    if not any(item["loc"] == ["body"] and item["type"] == "model_attributes_type" for item in items):
        return items
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given == "application/json" or (given.startswith("application/") and given.endswith("+json")):
        return items
    problem = f"must be application/json, not {given[:100]}" if given else "application/json is missing"
    return [{"type": "media_type", "loc": ["header", "Content-Type"], "msg": problem}]


def unreadable(request: Request) -> dict[str, Any] | None:
    """The item for a header by which a body is no JSON here; None without one."""
    coding = request.headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity"):
        problem = f"must be absent: a body is read as it is sent, {coding[:100]} is not undone"
        return {"type": "content_encoding", "loc": ["header", "Content-Encoding"], "msg": problem}
    charset = Message()
    charset["Content-Type"] = request.headers.get("content-type", "")
    name = (charset.get_content_charset("utf-8") or "utf-8").lower()
    if name not in ("utf-8", "utf8", "us-ascii"):
        problem = f"must be application/json in UTF-8, not in {name[:100]}"
        return {"type": "charset", "loc": ["header", "Content-Type"], "msg": problem}
    return None
