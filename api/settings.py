"""Settings of the HTTP front."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.settings import CommaSeparated, Settings


class ApiSettings(Settings):
    host: str = "0.0.0.0"  # noqa: S104 - a server in a container has to
    port: int = Field(7860, ge=1, le=65535)
    request_timeout: float = Field(300, ge=1, le=3600, description="Seconds that the app's call is held.")
    max_queue_length: int = Field(1000, ge=1, description="Queued jobs beyond which a submit is answered 429.")
    max_queued_per_key: int = Field(250, ge=1, description="Of these, jobs of one key; without keys it has no effect.")
    max_streams_per_key: int = Field(200, ge=1, description="Event streams of one key, in each API process.")
    api_keys: Annotated[tuple[str, ...], *CommaSeparated] = Field(
        (), description="Comma-separated; empty: no keys needed."
    )
    cors_origins: Annotated[tuple[str, ...], *CommaSeparated] = Field(("*",), description="Comma-separated origins.")
