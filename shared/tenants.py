"""The keys of KEYS_FILE (`keys.toml`) as records: what each may use, how large its share of the cards is, how long its
results are kept. The API and the webhook worker read the file, again whenever it changes.

    [[key]]
    name = "shop"
    hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    weight = 2
"""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FilePath, ValidationError, model_validator

from shared.jobs import Priority
from shared.observability.logging import get_logger
from shared.settings import AtHome, Settings, WebhookSecret

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

log = get_logger(__name__)
# Of so many digits, because Redis knows no times beyond.
RATE = r"^([1-9][0-9]{0,8}/([1-9][0-9]{0,3})?(second|minute|hour|day))?$"
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"


def _utc(value: datetime) -> datetime:
    """A time without a zone is in UTC."""
    return value if value.tzinfo else value.replace(tzinfo=UTC)


class Tenant(BaseModel):
    """One entry. What is None is as the settings have it for every key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME)
    hash: str = Field(pattern=r"^[0-9a-f]{64}$", description="The key's SHA-256, which also names its jobs' owner.")
    weight: float = Field(1, ge=0.01, le=100)
    max_queued: int | None = Field(None, ge=1)
    max_queued_high: int | None = Field(None, ge=1)
    rate: str | None = Field(None, pattern=RATE)
    quota_images: int | None = Field(None, ge=0, description="Drawn in a calendar month, UTC.")
    quota_gpu_seconds: float | None = Field(None, ge=0, description="Of denoising, likewise.")
    priorities: tuple[Priority, ...] = Field(tuple(Priority), min_length=1)
    webhook_secrets: tuple[WebhookSecret, ...] = ()
    expires_at: Annotated[datetime, AfterValidator(_utc)] | None = None
    result_ttl_seconds: int | None = Field(None, ge=1, le=7 * 86400)
    job_ttl_seconds: int | None = Field(None, ge=1, le=30 * 86400)

    @model_validator(mode="after")
    def _one_quota(self) -> Tenant:
        if self.quota_images is not None and self.quota_gpu_seconds is not None:
            raise ValueError("quota_images and quota_gpu_seconds exclude each other")
        return self

    def is_valid(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at


def parse(text: str) -> dict[str, Tenant]:
    """The entries by their hash.

    :raises ValueError: in one line, what is wrong and in which entry.
    """
    found = tomllib.loads(text)
    if unknown := sorted(found.keys() - {"key"}):
        raise ValueError(f"{unknown[0]}: unknown; each key is a table [[key]]")
    entries = found.get("key", [])
    if not isinstance(entries, list):
        raise ValueError("key: each key is a table [[key]], with two brackets")  # noqa: TRY004 - as all that is wrong
    tenants = [_entry(number, entry) for number, entry in enumerate(entries, 1)]
    _refuse_twins("name", (tenant.name for tenant in tenants))
    _refuse_twins("hash", (tenant.hash for tenant in tenants))
    return {tenant.hash: tenant for tenant in tenants}


def _entry(number: int, entry: Any) -> Tenant:
    try:
        return Tenant.model_validate(entry)
    except ValidationError as error:
        # Without the values: they may be secrets.
        first = error.errors(include_input=False, include_url=False)[0]
        name = entry.get("name") if isinstance(entry, dict) else None
        field = ".".join(map(str, first["loc"]))
        who = f"key {number}" + (f" ({name})" if isinstance(name, str) and name.isprintable() else "")
        raise ValueError(": ".join(filter(None, (who, field, first["msg"])))) from None


def _refuse_twins(field: str, values: Iterable[str]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{field}: two keys have {value}")
        seen.add(value)


def read(file: Path) -> dict[str, Tenant]:
    """:raises ValueError: the file cannot be read, or is broken."""
    try:
        return parse(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError as error:  # also of text that is no UTF-8
        raise ValueError(f"{file}: {error}") from None


def _whole(file: Path) -> Path:
    read(file)
    return file


# Of the processes that read it: they do not start with a broken file.
KeysFile = Annotated[FilePath | None, AtHome, AfterValidator(lambda file: file and _whole(file))]


class Tenants:
    """The entries of `file`. While it is broken, those that were read last stay."""

    def __init__(self, file: Path | None) -> None:
        """:raises ValueError: the file is broken now."""
        self._file = file
        self._version: tuple[int, int, int] | None = None
        self._trouble = ""
        self._by_hash: dict[str, Tenant] = {}
        if file is not None:
            self._by_hash = read(file)
            self._version = _version_of(file)

    @property
    def configured(self) -> bool:
        return self._file is not None

    @property
    def broken(self) -> bool:
        """Whether the file's present content is not in use."""
        self._refresh()
        return bool(self._trouble)

    def all(self) -> list[Tenant]:
        self._refresh()
        return list(self._by_hash.values())

    def of(self, owner: str) -> Tenant | None:
        """The entry of a key's SHA-256; None if it has none."""
        self._refresh()
        return self._by_hash.get(owner)

    def webhook_secrets_of(self, owner: str, settings: Settings) -> list[str]:
        """Those that sign the webhooks of this owner; empty without webhooks."""
        tenant = self.of(owner)
        own = [secret.get_secret_value() for secret in tenant.webhook_secrets] if tenant else []
        return own or settings.webhook_secrets_of(owner)

    def name_of(self, owner: str) -> str:
        """What an operator knows the owner by: the name, or the beginning of the key's SHA-256."""
        tenant = self.of(owner)
        return tenant.name if tenant else owner[:12]

    def _refresh(self) -> None:
        if self._file is None:
            return
        version = _version_of(self._file)
        if version == self._version:
            return
        try:
            self._by_hash = read(self._file)
        except ValueError as error:
            if str(error) != self._trouble:
                log.error("keys.refused", problem=str(error), kept=len(self._by_hash))  # noqa: TRY400 - one line says it all
            self._trouble = str(error)
        else:
            self._trouble = ""
            log.info("keys.read", count=len(self._by_hash))
        self._version = version


def _version_of(file: Path) -> tuple[int, int, int] | None:
    """What tells whether the file has changed; None if it cannot be looked at."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
