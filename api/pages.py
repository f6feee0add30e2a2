"""The studio's page, and all pages' routes but those of the OpenAPI page: `/` and `/watch` are routes of their own."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from api import assets, reference_pages
from api.page_files import page, policy
from shared.schemas import JobRequest
from shared.settings import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI, Request
    from fastapi.responses import HTMLResponse

    from api.settings import ApiSettings

_SHOWN = ("default", "minimum", "maximum", "minLength", "maxLength", "maxItems", "enum", "items", "anyOf", "type")


@functools.cache
def fields() -> dict[str, Any]:
    """What a job may ask for, with bounds: the studio shows a control for each field that is here."""
    found = JobRequest.model_json_schema()
    return {
        name: {key: value for key, value in field.items() if key in _SHOWN}
        for name, field in found["properties"].items()
    }


def studio(settings: ApiSettings, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    told = {"fields": fields(), "previews": settings.previews, "version": VERSION}
    return page("studio", settings.root_path, policy(store=_store(settings)), headers, **told)


def _store(settings: ApiSettings) -> str:
    """The origin to which a GET of an image is sent on; empty if it is answered here."""
    if not settings.result_redirects:
        return ""
    found = urlsplit(settings.aws_endpoint_url or "https://*.amazonaws.com")
    return f"{found.scheme}://{found.netloc}"


def install(app: FastAPI, settings: ApiSettings) -> None:
    async def job(_: Request) -> HTMLResponse:
        """The studio with one job open, whose id its script takes from the address."""
        return studio(settings)

    app.add_route("/jobs/{job_id}", job, include_in_schema=False)
    reference_pages.install(app)
    assets.install(app)
