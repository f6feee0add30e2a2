"""Loaded by schemathesis: shortens calls that would be held, so that it can send many."""

import contextlib
import re
import uuid

import httpx
import schemathesis


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """A stream's schema is of the whole text, as generators of clients read it; schemathesis holds each event to it."""
    for calls in raw_schema["paths"].values():
        for call in calls.values():
            for answer in call["responses"].values():
                answer.get("content", {}).get("text/event-stream", {}).pop("schema", None)


@schemathesis.hook
def map_query(context, query):
    """Valid waits become short; invalid ones stay as they are."""
    if query and isinstance(query.get("wait"), (int, float)) and 0 <= query["wait"] <= 60:
        query["wait"] = 0.01
    return query


@schemathesis.hook
def map_headers(context, headers):
    """Calls are not held, and keys are unique, because a key's second body is rightly refused."""
    for name in [name for name in headers or () if name.lower() == "prefer"]:
        headers[name] = "wait=0"
    for name in [name for name in headers or () if name.lower() == "idempotency-key"]:
        # An invalid key must stay invalid on the wire, where spaces around a value do not count.
        valid = re.fullmatch(r"[\x21-\x7e]{1,200}", str(headers[name]))
        headers[name] = f"{headers[name]}{uuid.uuid4()}" if valid else "not a key"
    return headers


@schemathesis.hook
def map_body(context, body):
    """Valid jobs become cheap ones."""
    if isinstance(body, dict) and isinstance(body.get("steps"), int) and 1 <= body["steps"] <= 50:
        body["steps"] = 1
    if isinstance(body, dict) and isinstance(sizes := body.get("sizes"), list) and all(map(_is_size, sizes)):
        # A job's pixels are bounded over two fields together, which JSON Schema cannot express.
        body["sizes"] = [size for size in sizes if size <= 512] or sizes[:1]
    if isinstance(body, dict):
        _agree(body)
    if isinstance(body, dict) and isinstance(drawn := body.get("input"), dict):
        if isinstance(drawn.get("num_inference_steps"), int) and 1 <= drawn["num_inference_steps"] <= 50:
            drawn["num_inference_steps"] = 1
        if _is_size(drawn.get("width")) and _is_size(drawn.get("height")):
            # They must be equal, which JSON Schema cannot express.
            drawn["width"] = drawn["height"]
    return body


def _agree(body):
    """Outputs that are valid, each for itself, do not contradict each other: JSON Schema cannot express that either."""
    if body.get("background") == "transparent" and body.get("output_format") == "jpeg":
        del body["background"]
    if body.get("output_format") in ("webp", "jpeg", "svg") or body.get("background") == "transparent":
        body["n"] = 1 if body.get("n") in (2, 3, 4) else body.get("n")
    formats = body.get("formats", ["png"])
    if not isinstance(formats, list) or not {*map(str, formats)} <= {"png", "webp", "jpeg", "avif", "svg"}:
        return
    quality = body.get("quality")
    if (
        isinstance(quality, int | float)
        and not isinstance(quality, bool)
        and 1 <= quality <= 100
        and not {"webp", "jpeg", "avif"} & set(formats)
    ):
        del body["quality"]
    if body.get("transparent") is True and formats == ["jpeg"]:
        body["transparent"] = False
    if body.get("holes") in ("keep", "cut") and body.get("transparent", False) is False:
        del body["holes"]
    if body.get("icons") is True:
        body["icons"] = False  # they take a second of a core each
    if {"formats", "transparent"} & body.keys():
        _make_small(body)


def _make_small(body):
    sizes = body.get("sizes")
    if isinstance(sizes, list) and 1 <= len(sizes) <= 16 and all(map(_is_size, sizes)):
        body["sizes"] = [64]
    elif "sizes" not in body and body.get("num_images") in (2, 3, 4):
        del body["num_images"]


def _is_size(value):
    return isinstance(value, int | float) and 64 <= value <= 2048


@schemathesis.hook
def before_call(context, case, kwargs):
    """A stream lasts as long as its job, so the job is canceled before its stream is read."""
    if case.path.endswith("/events") and case.path_parameters:
        url = f"{case.operation.base_url.rstrip('/')}/api/jobs/{case.path_parameters.get('job_id')}"
        with contextlib.suppress(httpx.InvalidURL, UnicodeError):
            httpx.delete(url, headers={"X-API-Key": "fuzz"}, timeout=10)
