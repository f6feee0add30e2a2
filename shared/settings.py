"""The settings of every process, from the environment and `.env`; each process builds them once with `load`."""

from __future__ import annotations

import base64
import os
import re
import sys
from ipaddress import IPv4Network, IPv6Network  # noqa: TC003 - pydantic reads it when the class is built
from pathlib import Path
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


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _host(value: object) -> object:
    """An IPv6 address without the brackets that it has in URLs and in Compose's ports."""
    return value[1:-1] if isinstance(value, str) and re.fullmatch(r"\[[0-9a-fA-F:.]+\]", value) else value


def at_home(value: object) -> object:
    """A path whose ~ is the home folder, which a shell expands and a file such as .env does not."""
    if not isinstance(value, str | Path):
        return value
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ValueError("there is no home folder for its ~") from None


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


def _key_secret(value: SecretStr) -> SecretStr:
    caller, _, secret = value.get_secret_value().partition(":")
    if not re.fullmatch(r"[0-9a-f]{8,64}", caller):
        raise ValueError("each must be the beginning of a key's SHA-256, eight digits or more, a colon and its secret")
    _webhook_secret(SecretStr(secret))
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


_STORES = r"redis|s3://[A-Za-z0-9][A-Za-z0-9._-]+(/[A-Za-z0-9!_.*'()/-]*)?|file:///.*[^/].*"


def _result_store(value: str) -> str:
    if re.fullmatch(_STORES, value):
        return value.rstrip("/")
    raise ValueError("must be redis, s3://BUCKET, s3://BUCKET/PREFIX or file:///FOLDER")


CommaSeparated = (NoDecode, BeforeValidator(split))
LogFormat = Annotated[Literal["json", "text"], BeforeValidator(_lower)]
Host = Annotated[str, BeforeValidator(_host)]
AtHome = BeforeValidator(at_home)
WebhookSecret = Annotated[SecretStr, AfterValidator(_webhook_secret)]
KeySecret = Annotated[SecretStr, AfterValidator(_key_secret)]
SigningKey = Annotated[SecretStr, Field(min_length=32)]
BasicAuth = Annotated[SecretStr, AfterValidator(_basic_auth)]
ResultStoreUrl = Annotated[str, AfterValidator(_result_store)]
RedisUrl = Annotated[str, AfterValidator(redis_url.check)]


# utf-8-sig: some editors put a byte-order mark before the first name.
CONFIG = SettingsConfigDict(
    env_file=".env", env_file_encoding="utf-8-sig", extra="ignore", frozen=True, env_ignore_empty=True
)


class Settings(BaseSettings):
    model_config = CONFIG

    redis_url: RedisUrl = Field(
        "redis://127.0.0.1:6379/0", description="Broker, ledger, events and results; sentinel://: by Sentinels."
    )
    environment: str = Field("production", description="Reported by /health.")
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)] = "INFO"
    log_format: LogFormat = "json"
    result_ttl_seconds: int = Field(3600, ge=1, le=7 * 86400, description="How long images are kept.")
    result_store: ResultStoreUrl = Field("redis", description="Where finished images and files are kept.")
    aws_access_key_id: SecretStr | None = Field(None, description="Of s3://; unset: as the cloud's machine has it.")
    aws_secret_access_key: SecretStr | None = None
    aws_session_token: SecretStr | None = None
    aws_region: str | None = Field(None, pattern=r"^[a-z0-9-]+$", description="Unset: us-east-1.")
    aws_endpoint_url: str | None = Field(
        None, pattern=r"^https?://[^/?#\s@]+(/\S*)?$", description="The S3 server; unset: Amazon's of the region."
    )
    url_signing_keys: Annotated[tuple[SigningKey, ...], *CommaSeparated] = Field(
        (), description="Comma-separated; the first signs image URLs, all verify. Empty: URLs are not signed."
    )
    public_url: str = Field("", pattern=r"^(https?://[^/?#\s@]+)?$", description="The base URL that clients use.")
    root_path: Annotated[str, AfterValidator(_root_path)] = Field(
        "", description="The path below which a proxy serves the API, such as /logo."
    )
    webhook_secrets: Annotated[tuple[WebhookSecret, ...], *CommaSeparated] = Field(
        (), description="Comma-separated, each whsec_ and base64; all sign. Empty: no webhooks."
    )
    webhook_secrets_by_key: Annotated[tuple[KeySecret, ...], *CommaSeparated] = Field(
        (), description="Comma-separated, each CALLER:whsec_...; they sign that key's webhooks instead."
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
    safety: Annotated[Literal["off", "prompt", "image", "both"], BeforeValidator(_lower)] | None = Field(
        None, description="What is refused: prompts by lists of words, drawings by a classifier. Unset: off, and said."
    )
    previews: bool = Field(False, description="Send small pictures of unfinished drawings to the event streams.")
    otel_exporter_otlp_endpoint: str | None = Field(
        None, pattern=r"^https?://[^/?#\s]+(/\S*)?$", description="Where traces are sent; unset: no traces."
    )
    metrics_host: Host = Field("127.0.0.1", description="Address of each worker's /metrics and /health.")
    metrics_port: int = Field(0, ge=0, le=65535, description="0: off. The API has /metrics on its own port.")

    def webhook_secrets_of(self, owner: str) -> list[str]:
        """Those that sign the webhooks of this owner, who is a key's SHA-256; empty without webhooks."""
        pairs = [pair.get_secret_value().split(":", 1) for pair in self.webhook_secrets_by_key]
        own = [secret for caller, secret in pairs if owner.startswith(caller)]
        return own or [secret.get_secret_value() for secret in self.webhook_secrets]

    @property
    def filters_prompts(self) -> bool:
        return self.safety in ("prompt", "both")

    @property
    def filters_images(self) -> bool:
        return self.safety in ("image", "both")

    @property
    def images_in_redis(self) -> bool:
        return self.result_store == "redis"

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
    for name in map(str.upper, kind.model_fields):
        # Python keeps bytes that are no UTF-8 as lone surrogates, at which whatever encodes the value fails.
        if not os.environ.get(name, "").isascii() and re.search("[\ud800-\udfff]", os.environ[name]):
            refuse(f"setting {name}: must be text in UTF-8")
    try:
        return kind()
    except UnicodeDecodeError as error:
        refuse(f".env is not text in UTF-8: {error}")
    except OSError as error:
        refuse(f"{error.filename or '.env'} cannot be read: {error.strerror}")
    except ValidationError as error:
        for item in error.errors():
            name = "_".join(map(str, item["loc"])).upper()
            secret = any(word in name for word in _SECRET_WORDS) or "@" in str(item.get("input"))
            value = "" if secret else f"={item.get('input')!r}"
            print(f"setting {name}{value}: {item['msg']}", file=sys.stderr)  # noqa: T201 - before logging
        raise SystemExit(SETTING_IS_WRONG) from None
