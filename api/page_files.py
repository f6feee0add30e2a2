"""Makes HTML pages of the files in api/static/pages, with their policy: no page has an inline script, and none loads
anything from another server.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from fastapi.responses import HTMLResponse

from api import assets

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHUT = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def policy(*, styles: str = "'self'", more: str = "", store: str = "") -> str:
    """:param store: where this server sends a GET of an image on to, if it does; scripts fetch images with a key, and
    show them from memory (blob:). Previews come as data.
    """
    connect = f"connect-src 'self' {store}".strip()
    own = f"default-src 'none'; script-src 'self'; style-src {styles}; img-src 'self' blob: data:; {connect}"
    return "; ".join(part for part in (own, more, _SHUT) if part)


@functools.cache
def _text(name: str) -> str:
    return (assets.STATIC / "pages" / f"{name}.html").read_text(encoding="utf-8")


def page(
    name: str, root: str, policy_: str | None = None, headers: Mapping[str, str] | None = None, **data: Any
) -> HTMLResponse:
    """A page of api/static/pages.

    :param root: the path below which the API is served. Values of attributes with it are unquoted in the files: a root
        has no character that would need quotes.
    :param data: what the page's script reads from its element `options`.
    """
    text = _text(name).replace("{assets}", f"{root}/static/{assets.version()}").replace("{root}", root)
    # "<" would end the element early.
    text = text.replace("{options}", json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"))
    own = {
        "Content-Security-Policy": policy_ or policy(),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }
    return HTMLResponse(text, headers=own | dict(headers or {}))
