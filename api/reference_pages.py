"""/docs and /redoc: Swagger UI and Redoc, whose files are npm's and are served from here (api/static/vendor)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Request  # noqa: TC002 - FastAPI reads the annotations

from api.page_files import page, policy

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.responses import HTMLResponse

# Each file's package and version, and `openssl dgst -sha384 -binary FILE | base64` of it; a test holds them to it.
VENDORED = {
    "swagger-ui-bundle.js": (
        "swagger-ui-dist@5.35.0",
        "gjRm0bEPMeTmMh5jT2cHccIwCUZSTd8YC+j0d0sXw0MdGEfScduGpSyF3ZSSLkX9",
    ),
    "swagger-ui.css": (
        "swagger-ui-dist@5.35.0",
        "WlYgdmXYOOBWL5apwjDEZwN+U3HmXSSu5R6V5aGxEcf7z+KuRNwBhoxKVN1i3D5I",
    ),
    "redoc.standalone.js": (
        "redoc@2.5.4",
        "w447zOpYfw/1Tv/5AK9NfHTlQIqE3RVR6KY62jCyy9zNDgO64cMwGGP1Fj0zJVf5",
    ),
}

# Swagger and Redoc write their styles into the page, and Redoc searches in a worker of its own making.
_POLICY = policy(styles="'self' 'unsafe-inline'", more="worker-src blob:")


def install(app: FastAPI) -> None:
    """`app` must be made without pages of its own (docs_url=None, redoc_url=None)."""

    async def swagger(request: Request) -> HTMLResponse:
        return _page("swagger", request)

    async def redoc(request: Request) -> HTMLResponse:
        return _page("redoc", request)

    app.add_route("/docs", swagger, include_in_schema=False)
    app.add_route("/redoc", redoc, include_in_schema=False)


def _page(name: str, request: Request) -> HTMLResponse:
    return page(name, request.scope.get("root_path", "").rstrip("/"), _POLICY)
