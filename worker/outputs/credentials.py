"""Signs files with content credentials as C2PA specifies them (https://spec.c2pa.org): who made them, that a model did,
and that nobody changed them since.

The certificate and key come from files. Without them a chain of its own is made in memory each time a process starts,
for development: its files are valid and unchanged, but nobody vouches for their signer. No time-stamping authority is
asked, so that finishing needs no network.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from shared.settings import VERSION
from worker.outputs.development_certificate import development_chain
from worker.outputs.metadata import PRODUCT, SOURCE_TYPE

if TYPE_CHECKING:
    from pathlib import Path

# A thumbnail would be larger than all the rest.
SETTINGS = json.dumps({"builder": {"thumbnail": {"enabled": False}}})
CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


class Signer(Protocol):
    def sign(self, data: bytes, media_type: str) -> bytes:
        """The file with its credentials."""


class CredentialsSigner:
    """Signs with one key. Made in the process that signs: the library's objects outlive no fork.

    :param chain: PEM, the signer's certificate first.
    :param key: PEM, PKCS #8.
    :raises ValueError: they do not fit each other, or have no use here.
    :raises ImportError: c2pa-python has no build for this platform.
    """

    def __init__(self, chain: bytes, key: bytes) -> None:
        # An optional package, and 50 MB that a process without signing does not load.
        import c2pa  # noqa: PLC0415

        algorithm = algorithm_of(chain, key)
        self._c2pa = c2pa
        self._context = c2pa.Context(settings=c2pa.Settings.from_json(SETTINGS))
        self._signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(algorithm, chain, key, None))

    def sign(self, data: bytes, media_type: str) -> bytes:
        signed = io.BytesIO()
        self._c2pa.Builder(_manifest(media_type), self._context).sign(
            self._signer, media_type, io.BytesIO(data), signed
        )
        return signed.getvalue()


def open_signer(certificate: Path | None, key: Path | None) -> Signer:
    """A signer with the key of the files; with one for development if there are none.

    :raises OSError: a file cannot be read.
    :raises ValueError, ImportError: as `CredentialsSigner`.
    """
    if certificate and key:
        return CredentialsSigner(certificate.read_bytes(), key.read_bytes())
    if certificate or key:
        raise ValueError("SIGNING_CERTIFICATE and SIGNING_KEY belong together")
    return CredentialsSigner(*development_chain())


def algorithm_of(chain: bytes, key: bytes) -> str:
    found = serialization.load_pem_private_key(key, password=None)
    certificate = x509.load_pem_x509_certificates(chain)[0]
    if certificate.public_key() != found.public_key():
        raise ValueError("SIGNING_KEY is not the key of the first certificate in SIGNING_CERTIFICATE")
    if isinstance(found, ec.EllipticCurvePrivateKey) and found.curve.name in CURVES:
        return CURVES[found.curve.name]
    if isinstance(found, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(found, rsa.RSAPrivateKey):
        return "ps256"
    raise ValueError("SIGNING_KEY is none of P-256, P-384, P-521, Ed25519 and RSA")


def _manifest(media_type: str) -> dict[str, Any]:
    """Nothing of the prompt or its author: credentials are meant to be passed on."""
    agent = {"name": PRODUCT, "version": VERSION}
    action = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE, "softwareAgent": agent}
    return {
        "claim_generator_info": [agent],
        "format": media_type,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }
