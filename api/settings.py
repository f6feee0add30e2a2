"""Settings of the HTTP front."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, FilePath

from shared.settings import CommaSeparated, Settings, load

RATE = r"^([1-9][0-9]*/([1-9][0-9]*)?(second|minute|hour|day))?$"


class ApiSettings(Settings):
    host: str = "0.0.0.0"  # noqa: S104 - a server in a container must listen on all addresses
    port: int = Field(7860, ge=1, le=65535)
    request_timeout: float = Field(300, ge=1, le=3600, description="Seconds that /api/generate_logo is held.")
    max_queue_length: int = Field(1000, ge=1, description="Queued jobs beyond which a submit is answered 429.")
    max_queued_per_key: int = Field(250, ge=1, description="Queued jobs of one key, likewise; only with keys.")
    max_queued_high_per_key: int = Field(20, ge=1, description="Queued jobs of one key of high priority, likewise.")
    planned_jobs_per_hour: float = Field(
        20, gt=0, description="The start checks Redis' memory for these, each with the most pixels."
    )
    max_streams_per_key: int = Field(200, ge=1, description="Event streams of one key or address, in each API process.")
    api_keys: Annotated[tuple[str, ...], *CommaSeparated] = Field(
        (), description="Comma-separated; empty: requests need no key."
    )
    api_keys_file: FilePath | None = Field(None, description="More keys, one per line; read again if changed.")
    rate_limit: str = Field("", pattern=RATE, description="Per key or address, as 60/minute; empty: no limit.")
    cors_origins: Annotated[tuple[str, ...], *CommaSeparated] = Field(("*",), description="Comma-separated origins.")


if __name__ == "__main__":  # checks the settings, for `make serve`
    load(ApiSettings)
