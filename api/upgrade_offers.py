"""Takes a request that offers to change the protocol as the plain request that it also is, and a target that is a URL
without a path.

`curl --http2` and Java's HttpClient offer h2c with each first request (`Connection: Upgrade, HTTP2-Settings`), and a
server may ignore any offer (RFC 9110, section 7.8). httptools does not: it ends the message at its head, because what
follows could be in the other protocol, and the request's body would be lost.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from array import array


class _Parser(httptools.HttpRequestParser):
    """Parses the head of a request with an offer twice: as it came, then without the offer, with the body behind it."""

    __slots__ = ("_protocol",)

    def __init__(self, protocol: PlainProtocol) -> None:
        super().__init__(protocol)
        self._protocol = protocol
        # As uvicorn sets it: after `Connection: close` more data is no error.
        self.set_dangerous_leniencies(lenient_data_after_close=True)

    def feed_data(self, data: bytes | bytearray | memoryview[int] | array[int]) -> None:
        feed, rest = super().feed_data, memoryview(data)
        while rest:
            try:
                feed(rest)
            except httptools.HttpParserUpgrade as offer:
                rest = rest[offer.args[0] :]
                # A new one: after an offer with `Connection: close` this one ignores whatever follows.
                self._protocol.parser = parser = _Parser(self._protocol)
                feed = super(_Parser, parser).feed_data
                feed(self._protocol.take_head())
            else:
                return


class PlainProtocol(HttpToolsProtocol):
    __slots__ = ("_head",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parser = _Parser(self)
        self._head = b""  # of a request with an offer, written anew without it

    def take_head(self) -> bytes:
        head, self._head = self._head, b""
        return head

    def on_headers_complete(self) -> None:
        if not self.url.startswith(b"/"):
            # http://host is http://host/ (RFC 9112, section 3.2.2).
            self.url = re.sub(rb"^(https?://[^/?#]+)(?=[?#]|$)", rb"\1/", self.url, flags=re.IGNORECASE)
        method = self.parser.get_method()
        # CONNECT is no offer: uvicorn refuses its target.
        if self.parser.should_upgrade() and method != b"CONNECT":
            version = self.parser.get_http_version().encode()
            lines = [b"%b %b HTTP/%b" % (method, self.url, version)]
            lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
            self._head = b"\r\n".join([*lines, b"", b""])
        else:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self._head:
            super().on_message_complete()
