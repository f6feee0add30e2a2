"""How finished files are marked, by the settings: their metadata, and the signer of their content credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.observability.logging import get_logger
from shared.settings import refuse
from worker.outputs.credentials import algorithm_of, open_signer
from worker.outputs.making import Marking

if TYPE_CHECKING:
    from worker.outputs.credentials import Signer
    from worker.settings import WorkerSettings

log = get_logger(__name__)


class _Unsigned:
    """Signs nothing, so that each job says what it lacks (`signing_failed`)."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def sign(self, data: bytes, media_type: str) -> bytes:
        raise RuntimeError(f"no signer for {media_type}, {len(data)} bytes") from self._error


def check(settings: WorkerSettings) -> None:
    """Looks at the certificate and the key before any process is started; the library that signs is not loaded.

    :raises SystemExit: they cannot be read, or do not fit each other.
    """
    certificate, key = settings.signing_certificate, settings.signing_key
    if not settings.content_credentials or not (certificate or key):
        return
    if not (certificate and key):
        refuse("settings SIGNING_CERTIFICATE, SIGNING_KEY: they belong together")
    try:
        algorithm_of(certificate.read_bytes(), key.read_bytes())
    except (OSError, ValueError, TypeError) as error:  # TypeError: a key with a password
        refuse(f"settings SIGNING_CERTIFICATE, SIGNING_KEY: {error}")


def marking_of(settings: WorkerSettings) -> Marking:
    """For the process that signs: the library's objects outlive no fork."""
    return Marking(settings.metadata, _signer(settings) if settings.content_credentials else None)


def _signer(settings: WorkerSettings) -> Signer | None:
    try:
        return open_signer(settings.signing_certificate, settings.signing_key)
    except ImportError as error:
        # The library has no build for this platform.
        log.warning("signing.skipped", reason=str(error))
        return None
    except Exception as error:
        # Drawings are finished without a signature, and the alert tells of it.
        log.exception("signer.unavailable")
        return _Unsigned(error)
