"""The HTML pages: the studio, what the cards do, the API's reference. Files of api/static/pages with a few places.

No page has an inline script, and none loads anything from another server: its policy forbids both.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from fastapi.responses import HTMLResponse

from api import assets
from shared.schemas import JobRequest
from shared.settings import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI, Request

    from api.settings import ApiSettings

# Pictures are fetched with the caller's key and shown from memory (blob:), previews come as data.
_OWN = "default-src 'none'; script-src 'self'; img-src 'self' blob: data:; connect-src 'self'"
_SHUT = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
POLICY = f"{_OWN}; style-src 'self'; {_SHUT}"
# Swagger and Redoc write their styles into the page, and Redoc searches in a worker of its own making.
REFERENCE_POLICY = f"{_OWN}; style-src 'self' 'unsafe-inline'; worker-src blob:; {_SHUT}"
_SHOWN = ("default", "minimum", "maximum", "minLength", "maxLength", "enum", "items", "anyOf", "type")


@functools.cache
def _text(name: str) -> str:
    return (assets.STATIC / "pages" / f"{name}.html").read_text()


@functools.cache
def fields() -> dict[str, Any]:
    """What a job may ask for, with bounds: the studio shows a control for each field that is here."""
    found = JobRequest.model_json_schema()
    return {
        name: {key: value for key, value in field.items() if key in _SHOWN}
        for name, field in found["properties"].items()
    }


def page(
    name: str, root: str, policy: str = POLICY, headers: Mapping[str, str] | None = None, **data: Any
) -> HTMLResponse:
    """A page of api/static/pages.

    :param root: the path below which the API is served. Values of attributes with it are unquoted in the files: a root
        has no character that would need quotes.
    :param data: what the page's script reads from its element `options`.
    """
    text = _text(name).replace("{assets}", f"{root}/static/{assets.version()}").replace("{root}", root)
    # "<" would end the element early.
    text = text.replace("{options}", json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"))
    own = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
    return HTMLResponse(text, headers=own | dict(headers or {}))


def studio(settings: ApiSettings, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    return page(
        "studio", settings.root_path, headers=headers, fields=fields(), previews=settings.previews, version=VERSION
    )


def install(app: FastAPI, settings: ApiSettings) -> None:
    async def job(_: Request) -> HTMLResponse:
        """The studio with one job open, whose id its script takes from the address."""
        return studio(settings)

    app.add_route("/jobs/{job_id}", job, include_in_schema=False)
    assets.install(app)
