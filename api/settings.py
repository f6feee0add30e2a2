"""Settings of the HTTP front."""

from __future__ import annotations

import os
import re
from ipaddress import IPv4Network, IPv6Network  # noqa: TC003 - pydantic reads it when the class is built
from pathlib import Path  # noqa: TC003 - likewise
from typing import Annotated

from pydantic import AfterValidator, Field, FilePath

from shared.settings import AtHome, CommaSeparated, Host, Settings, load
from shared.styles import file
from shared.tenants import RATE, KeysFile


def _origin(value: str) -> str:
    """Browsers send the scheme and host in lower case, no default port, no path: anything else would never match."""
    origin = re.fullmatch(r"\*|null|([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([1-9][0-9]{0,4}))?", value)
    if not origin or (origin[1], origin[3]) in {("https", "443"), ("http", "80")}:
        raise ValueError(
            "must be *, or scheme and host as browsers send them, such as https://app.example or "
            "http://localhost:3000: in lower case, without a path, a slash at the end and the scheme's own port"
        )
    return value


def _styles(path: Path | None) -> Path | None:
    if path is not None:
        try:
            file.read(path)
        except OSError as error:
            raise ValueError(f"cannot be read: {error.strerror}") from None
    return path


def _text(path: Path | None) -> Path | None:
    if path is not None:
        try:
            path.read_text(encoding="utf-8")
        except UnicodeError:
            raise ValueError(f"{path} is no text in UTF-8; save it as such") from None
        except OSError as error:
            raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    return path


Origin = Annotated[str, AfterValidator(_origin)]


class ApiSettings(Settings):
    host: Host = "0.0.0.0"  # noqa: S104 - a server in a container must listen on all addresses
    port: int = Field(7860, ge=1, le=65535)
    api_workers: int | None = Field(
        None, ge=1, le=64, description="API processes behind the port; unset: one for two cores, four at most."
    )
    keep_alive_seconds: int = Field(75, ge=1, le=3600, description="Seconds that an idle connection is kept open.")
    max_idle_connections: int = Field(
        500, ge=1, description="Idle connections of one API process; beyond it one of the address with most is closed."
    )
    request_timeout: float = Field(300, ge=1, le=3600, description="Seconds that /api/generate_logo is held.")
    rejoin_seconds: int = Field(
        120, ge=0, le=3600, description="The repeat of a held call that was cut joins its job; after it, the job ends."
    )
    max_queue_length: int = Field(1000, ge=1, description="Queued jobs beyond which a submit is answered 429.")
    max_queued_per_key: int = Field(250, ge=1, description="Queued jobs of one key, likewise; only with keys.")
    max_queued_high_per_key: int = Field(20, ge=1, description="Queued jobs of one key of high priority, likewise.")
    max_created_per_key_per_minute: int = Field(
        600,
        ge=0,
        description="Jobs that one key creates in a minute, likewise, canceled ones too; 0: any number.",
    )
    max_input_bytes: int = Field(
        64 * 2**20,
        ge=32 * 2**20,
        description="Bytes of the images that unended jobs start from, likewise; one key may have half.",
    )
    max_streams_per_key: int = Field(200, ge=1, description="Event streams of one key or address, in each API process.")
    max_held_calls: int = Field(
        5000, ge=1, description="Calls and streams that an API process holds, at most; fewer if its open files are few."
    )
    max_held_calls_per_key: int = Field(500, ge=1, description="Calls and streams that it holds of one key or address.")
    max_loop_lag_seconds: float = Field(
        1, gt=0, le=60, description="An API process that is later than this with what it has refuses new calls."
    )
    max_image_bytes_in_flight: int = Field(
        4 * 2**30, ge=1, description="Bytes of images that an API process sends at the same time."
    )
    max_image_bytes_in_flight_per_key: int = Field(
        2**30, ge=1, description="Bytes of images that it sends to one key or address at the same time."
    )
    result_redirects: bool = Field(
        False, description="With s3://: a GET of an image is sent on to the store, by a URL that the store has signed."
    )
    api_keys: Annotated[tuple[str, ...], *CommaSeparated] = Field(
        (), description="Comma-separated; empty: requests need no key."
    )
    api_keys_file: Annotated[FilePath | None, AtHome, AfterValidator(_text)] = Field(
        None, description="More keys, one per line; read again if changed."
    )
    operator_keys: Annotated[tuple[str, ...], *CommaSeparated] = Field(
        (), description="Comma-separated; each opens the actions of /watch. Empty: it shows figures only."
    )
    styles_file: Annotated[FilePath | None, AtHome, AfterValidator(_styles)] = Field(
        None, description="More styles, in TOML (docs/styles.md)."
    )
    keys_file: KeysFile = Field(
        None,
        description="keys.toml: keys with a name, a weight, bounds and a quota; read again if changed.",
    )
    safety_words_file: Annotated[FilePath | None, AtHome] = Field(
        None, description="With SAFETY=prompt or both: words of your own, one per line, beside the library's."
    )
    rate_limit: str = Field("", pattern=RATE, description="Per key or address, as 60/minute; empty: no limit.")
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], *CommaSeparated] = Field(
        (), description="Comma-separated addresses or networks whose X-Forwarded-For is believed."
    )
    cors_origins: Annotated[tuple[Origin, ...], *CommaSeparated] = Field(("*",), description="Comma-separated origins.")

    @property
    def processes(self) -> int:
        """API processes: API_WORKERS, else by the cores, of which Redis and the workers need as many."""
        return self.api_workers or max(1, min(4, len(os.sched_getaffinity(0)) // 2))


if __name__ == "__main__":  # checks the settings, for `make serve`
    load(ApiSettings)
