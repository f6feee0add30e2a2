"""/docs and /redoc: FastAPI's pages, whose scripts come from jsDelivr. Each has its version and digest here, so that a
browser runs what was published to npm under that version, and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Request  # noqa: TC002 - FastAPI reads the annotations
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse

if TYPE_CHECKING:
    from fastapi import FastAPI

_CDN = "https://cdn.jsdelivr.net/npm/"
_SWAGGER_SCRIPT = f"{_CDN}swagger-ui-dist@5.35.0/swagger-ui-bundle.js"
_SWAGGER_STYLE = f"{_CDN}swagger-ui-dist@5.35.0/swagger-ui.css"
_REDOC_SCRIPT = f"{_CDN}redoc@2.5.4/bundles/redoc.standalone.js"
# `openssl dgst -sha384 -binary FILE | base64` of the files in npm's packages.
_DIGESTS = {
    _SWAGGER_SCRIPT: "gjRm0bEPMeTmMh5jT2cHccIwCUZSTd8YC+j0d0sXw0MdGEfScduGpSyF3ZSSLkX9",
    _SWAGGER_STYLE: "WlYgdmXYOOBWL5apwjDEZwN+U3HmXSSu5R6V5aGxEcf7z+KuRNwBhoxKVN1i3D5I",
    _REDOC_SCRIPT: "w447zOpYfw/1Tv/5AK9NfHTlQIqE3RVR6KY62jCyy9zNDgO64cMwGGP1Fj0zJVf5",
}
_NO_ICON = "data:,"


def install(app: FastAPI) -> None:
    """`app` must be made without pages of its own (docs_url=None, redoc_url=None)."""

    async def swagger(request: Request) -> HTMLResponse:
        return _with_digests(
            get_swagger_ui_html(
                openapi_url=_openapi_url(request),
                title=app.title,
                swagger_js_url=_SWAGGER_SCRIPT,
                swagger_css_url=_SWAGGER_STYLE,
                swagger_favicon_url=_NO_ICON,
            )
        )

    async def redoc(request: Request) -> HTMLResponse:
        return _with_digests(
            get_redoc_html(
                openapi_url=_openapi_url(request),
                title=app.title,
                redoc_js_url=_REDOC_SCRIPT,
                redoc_favicon_url=_NO_ICON,
                with_google_fonts=False,
            )
        )

    app.add_route("/docs", swagger, include_in_schema=False)
    app.add_route("/redoc", redoc, include_in_schema=False)


def _openapi_url(request: Request) -> str:
    return f"{request.scope.get('root_path', '').rstrip('/')}/openapi.json"


def _with_digests(page: HTMLResponse) -> HTMLResponse:
    text = bytes(page.body).decode()
    for url, digest in _DIGESTS.items():
        text = text.replace(f'"{url}"', f'"{url}" integrity="sha384-{digest}" crossorigin="anonymous"')
    return HTMLResponse(text)
