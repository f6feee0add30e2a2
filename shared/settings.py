"""The settings of every process, from the environment and `.env`; each process builds them once with `load`."""

from __future__ import annotations

import base64
import re
import sys
from ipaddress import IPv4Network, IPv6Network  # noqa: TC003 - pydantic reads it when the class is built
from typing import Annotated, Literal, NoReturn, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared import redis_url

VERSION = "2.0.0"
SETTING_IS_WRONG = 2  # the exit code of a process that cannot run with its settings, however often it is started


def split(value: object) -> object:
    """The stripped, non-empty items of a comma-separated list; a value that is not text as it is."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _webhook_secret(value: SecretStr) -> SecretStr:
    found = re.fullmatch(r"whsec_([A-Za-z0-9+/]+)={0,2}", value.get_secret_value())
    try:
        # Decoded as the sender's library decodes it. Base64 has no text of 4n + 1 characters.
        length = len(base64.b64decode(found[1] + "==")) if found else 0
    except ValueError:
        length = 0
    if not 24 <= length <= 64:  # noqa: PLR2004 - Standard Webhooks asks for these bounds
        raise ValueError("each must be whsec_ followed by 24 to 64 bytes in base64")
    return value


def _basic_auth(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    user, _, password = text.partition(":")
    # Flower splits at commas, and fails at each login if it compares other characters than those of ASCII.
    if not (user and password and text.isascii() and text.isprintable() and "," not in text):
        raise ValueError("must be user:password in ASCII, without a comma")
    return value


def _root_path(value: str) -> str:
    own = {"api", "v1", "docs", "redoc", "openapi.json", "health", "metrics"}
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", value) or own & set(value.split("/")[1:2]):
        raise ValueError("must be a path such as /logo, without a slash at its end, and none of the API's own")
    return value


CommaSeparated = (NoDecode, BeforeValidator(split))
WebhookSecret = Annotated[SecretStr, AfterValidator(_webhook_secret)]
SigningKey = Annotated[SecretStr, Field(min_length=32)]
BasicAuth = Annotated[SecretStr, AfterValidator(_basic_auth)]
RedisUrl = Annotated[str, AfterValidator(redis_url.check)]


# utf-8-sig: some editors put a byte-order mark before the first name.
CONFIG = SettingsConfigDict(
    env_file=".env", env_file_encoding="utf-8-sig", extra="ignore", frozen=True, env_ignore_empty=True
)


class Settings(BaseSettings):
    model_config = CONFIG

    redis_url: RedisUrl = Field("redis://127.0.0.1:6379/0", description="Broker, ledger, events and results.")
    environment: str = Field("production", description="Reported by /health.")
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)] = "INFO"
    log_format: Literal["json", "text"] = "json"
    result_ttl_seconds: int = Field(3600, ge=1, le=7 * 86400, description="How long images are kept.")
    url_signing_keys: Annotated[tuple[SigningKey, ...], *CommaSeparated] = Field(
        (), description="Comma-separated; the first signs image URLs, all verify. Empty: URLs are not signed."
    )
    public_url: str = Field("", pattern=r"^(https?://[^/?#]+)?$", description="The base URL that clients use.")
    root_path: Annotated[str, AfterValidator(_root_path)] = Field(
        "", description="The path below which a proxy serves the API, such as /logo."
    )
    webhook_secrets: Annotated[tuple[WebhookSecret, ...], *CommaSeparated] = Field(
        (), description="Comma-separated, each whsec_ and base64; all sign. Empty: no webhooks."
    )
    webhook_allow_http: bool = Field(False, description="Allow webhooks to http:// URLs too.")
    webhook_allowed_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], *CommaSeparated] = Field(
        (), description="Comma-separated networks that webhooks may be sent to although they are not public."
    )
    planned_jobs_per_hour: float = Field(
        20,
        gt=0,
        description="The API checks Redis' memory for these, each with the most pixels of PNGs; the sweeper the rate.",
    )
    job_ttl_seconds: int = Field(86400, ge=1, le=30 * 86400, description="How long a finished job's record is kept.")
    previews: bool = Field(False, description="Send small pictures of unfinished drawings to the event streams.")
    otel_exporter_otlp_endpoint: str | None = Field(None, description="Where traces are sent; unset: no traces.")
    metrics_host: str = Field("127.0.0.1", description="Address of each worker's /metrics and /health.")
    metrics_port: int = Field(0, ge=0, le=65535, description="0: off. The API has /metrics on its own port.")

    @property
    def base_url(self) -> str:
        """What comes before `/api/…` in a URL for clients: an absolute URL if PUBLIC_URL is set."""
        return self.public_url + self.root_path


class FlowerSettings(Settings):
    flower_basic_auth: BasicAuth | None = Field(None, description="Flower reads it itself; this checks it.")


def refuse(message: str) -> NoReturn:
    """Ends a process that no restart can help: supervisors of ours stop everything at this exit code.

    :raises SystemExit: always.
    """
    print(message, file=sys.stderr)  # noqa: T201 - before logging
    raise SystemExit(SETTING_IS_WRONG)


S = TypeVar("S", bound=BaseSettings)
_SECRET_WORDS = (
    "KEY",
    "SECRET",
    "TOKEN",
    "REDIS_URL",
    "AUTH",
)  # an error does not show the value of a setting with one of these in its name


def load(kind: type[S]) -> S:
    """The settings of this process.

    :raises SystemExit: a value is wrong; each wrong value is printed on a line of its own.
    """
    try:
        return kind()
    except UnicodeDecodeError as error:
        print(f".env is not text in UTF-8: {error}", file=sys.stderr)  # noqa: T201 - before logging
        raise SystemExit(2) from None
    except ValidationError as error:
        for item in error.errors():
            name = "_".join(map(str, item["loc"])).upper()
            value = "" if any(word in name for word in _SECRET_WORDS) else f"={item.get('input')!r}"
            print(f"setting {name}{value}: {item['msg']}", file=sys.stderr)  # noqa: T201 - before logging
        raise SystemExit(SETTING_IS_WRONG) from None
