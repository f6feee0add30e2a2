"""Requests with an image as `multipart/form-data`: the other parts become the JSON body that the route reads, so that
both are checked by one schema; the image's own part becomes the digest of its bytes.

A caller's key is checked before the body is read. Starlette keeps a file of more than 1 MB on disk while it arrives.
"""

from __future__ import annotations

import hashlib
import json
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from api import auth, pictures
from shared import errors
from shared.schemas import UPLOADED

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fastapi import Response
    from pydantic import BaseModel
    from starlette.datastructures import FormData
    from starlette.types import Message

# Of a body: the image, and what is beside it.
MAX_BODY_BYTES = pictures.MAX_BYTES + 64 * 1024
MAX_FILES, MAX_FIELDS, MAX_FIELD_BYTES = 4, 64, 64 * 1024
FILE = "image"
_OTHER_NAMES = {"image[]": FILE}  # as OpenAI's clients name the part of a list


# Of the call that is answered in this context: digest and bytes.
_upload: ContextVar[tuple[str, bytes] | None] = ContextVar("upload", default=None)


def uploaded(digest: str) -> bytes | None:
    """The image of this digest, if it came with this call; once, so that a call that waits for its job holds none."""
    found = _upload.get()
    _upload.set(None)
    return found[1] if found and found[0] == digest else None


def is_multipart(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "multipart/form-data"


class UploadRoute(APIRoute):
    """A route whose body is JSON, or a form with the same fields and an image; `uploaded` has its bytes."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        body = self.body_field

        async def handle_upload(request: Request) -> Response:
            if body is None or not is_multipart(request.headers.get("content-type", "")):
                return await handle(request)
            await auth.owner_of_request(request)
            options = {"max_files": MAX_FILES, "max_fields": MAX_FIELDS, "max_part_size": MAX_FIELD_BYTES}
            form = MultiPartParser(request.headers, request.stream(), **options)
            try:
                given = await _given(await form.parse(), body.field_info.annotation)
            except MultiPartException as error:
                raise errors.InvalidRequest(f"body: {error.message}") from None
            except ClientDisconnect:
                raise errors.InvalidRequest("body: is cut short") from None
            finally:
                # Starlette leaves open what of a form has not arrived whole.
                for file in form._files_to_close_on_error:  # noqa: SLF001
                    file.close()
            if FILE not in given:
                # Also of a form that is cut before the end of its file: it must not become a drawing of the text alone.
                raise errors.InvalidRequest(f"{FILE}: missing, or cut short; a request without one is JSON")
            return await handle(_with_json(request, given))

        return handle_upload


async def _given(form: FormData, schema: type[BaseModel] | Any) -> dict[str, Any]:
    """The fields as JSON has them."""
    texts, lists = _kinds(schema)
    given: dict[str, Any] = {}
    for name in dict.fromkeys(form.keys()):
        values = form.getlist(name)
        field = _OTHER_NAMES.get(name, name)
        files = [value for value in values if isinstance(value, UploadFile)]
        if files and field != FILE:
            raise errors.InvalidRequest(f"{field}: is a file, and only {FILE} may be one")
        if len(files) > 1:
            raise errors.InvalidRequest(f"{field}: {len(files)} files, and one is taken")
        if files:
            given[field] = await _digest(files[0])
        elif field in texts:
            given[field] = values[0] if len(values) == 1 else values
        else:
            read = [_read(str(value)) for value in values]
            given[field] = read[0] if len(read) == 1 and (field not in lists or isinstance(read[0], list)) else read
    return given


async def _digest(file: UploadFile) -> str:
    given = (file.content_type or "application/octet-stream").partition(";")[0].strip().lower()
    if given not in (*pictures.MEDIA_TYPES, "image/jpg", "application/octet-stream"):
        raise errors.MediaTypeNotTaken(f"{FILE}: must be {', '.join(pictures.MEDIA_TYPES)}, not {given[:100]}")
    data = await file.read(pictures.MAX_BYTES + 1)
    if len(data) > pictures.MAX_BYTES:
        raise HTTPException(413, f"{FILE}: more than {pictures.MAX_BYTES} bytes")
    if not data:
        raise errors.InvalidRequest(f"{FILE}: is empty")
    digest = UPLOADED + hashlib.sha256(data).hexdigest()
    _upload.set((digest, data))
    return digest


def _read(text: str) -> Any:
    """What is no JSON stays a text, which the schema refuses by the field's name."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _kinds(schema: type[BaseModel] | Any) -> tuple[set[str], set[str]]:
    """The fields that are texts, and those that are lists."""
    properties: dict[str, Any] = schema.model_json_schema()["properties"]
    kinds = {name: {kind.get("type", "string") for kind in (p, *p.get("anyOf", ()))} for name, p in properties.items()}
    lists = {name for name, found in kinds.items() if "array" in found}
    numbers = {name for name, found in kinds.items() if found & {"integer", "number", "boolean"}}
    return kinds.keys() - lists - numbers, lists


def _with_json(request: Request, given: dict[str, Any]) -> Request:
    body = json.dumps(given).encode()
    replaced = (b"content-type", b"content-length", b"transfer-encoding")
    headers = [(name, value) for name, value in request.scope["headers"] if name not in replaced]
    headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:  # the form has been read: what comes now is a disconnect
            return await request.receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({**request.scope, "headers": headers}, receive, request._send)  # noqa: SLF001 - as FastAPI makes one
