"""The styles that a request may name, each with a picture; no key is needed, as a page's `<img>` sends none."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Response
from pydantic import BaseModel, Field

from api import conditional
from api.deps import Deps  # noqa: TC001 - FastAPI reads the annotations
from api.openapi import example_of
from api.openapi_errors import errors_of, headers_of
from shared.errors import ImageNotFound
from shared.styles.file import NAME

router = APIRouter(prefix="/api/styles", tags=["jobs"])
# A picture's URL changes with the picture.
PICTURE_SECONDS, LIST_SECONDS = 86400, 60
_HEADERS = headers_of("ETag", "Cache-Control", "X-Content-Type-Options")
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {media_type: {} for media_type in ("image/webp", "image/png", "image/jpeg")},
        "description": "The picture.",
        "headers": _HEADERS,
    },
    304: {"description": "The caller has the picture: `If-None-Match` names its ETag.", "headers": _HEADERS},
}


class StyleView(BaseModel):
    name: str = Field(description="What a job's `style` says.")
    title: str
    description: str
    picture: str | None = Field(description="The URL of a picture in this style, a square; null if it has none.")
    example: str | None = Field(description="The prompt of the picture.")


class StyleList(BaseModel):
    styles: list[StyleView]


_EXAMPLE = {
    "styles": [
        {
            "name": "emblem",
            "title": "Emblem",
            "description": "A badge that encloses the symbol, as clubs and breweries have it.",
            "picture": "/api/styles/emblem/picture?v=3f0c2d0e6a5b4f53",
            "example": "a beige crown in a dark green shield",
        }
    ]
}


@router.get(
    "",
    responses={
        200: {"description": "All styles.", "headers": headers_of("Cache-Control"), **example_of(_EXAMPLE)},
        **errors_of("too_many_requests", "internal_error"),
    },
)
async def list_styles(services: Deps, response: Response) -> StyleList:
    """What `style` of `POST /api/jobs` may be: the server's own styles, and its operator's."""
    response.headers["Cache-Control"] = f"public, max-age={LIST_SECONDS}"
    root, known = services.settings.root_path, services.styles
    return StyleList(
        styles=[
            StyleView(
                name=style.name,
                title=style.title,
                description=style.description,
                picture=f"{root}/api/styles/{style.name}/picture?v={found.digest}"
                if (found := known.picture(style.name))
                else None,
                example=style.example or None,
            )
            for style in known
        ]
    )


@router.get(
    "/{name}/picture",
    response_class=Response,
    responses={**_PICTURE, **errors_of("image_not_found", "validation_error", "too_many_requests")},
)
async def style_picture(
    services: Deps,
    name: Annotated[str, Path(pattern=rf"^{NAME}$", description="Of the style.", examples=["emblem"])],
    if_none_match: Annotated[str | None, Header(description="The ETag that the caller has.")] = None,
) -> Response:
    """The picture of a style, by the URL that `GET /api/styles` has."""
    picture = services.styles.picture(name)
    if picture is None:
        raise ImageNotFound(f"name: no style of this server has a picture named {name}")
    headers = {
        "ETag": f'"{picture.digest}"',
        "Cache-Control": f"public, max-age={PICTURE_SECONDS}, immutable",
        "X-Content-Type-Options": "nosniff",
    }
    if if_none_match and conditional.has(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(picture.data, media_type=picture.media_type, headers=headers)
