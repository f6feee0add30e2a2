"""Signs files with content credentials as C2PA specifies them (https://spec.c2pa.org): who made them, that a model did,
and that nobody changed them since.

The certificate and key come from files. Without them a chain of its own is made in memory each time a process starts,
for development: its files are valid and unchanged, but nobody vouches for their signer. No time-stamping authority is
asked, so that finishing needs no network.
"""

from __future__ import annotations

import contextlib
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
# A certificate needs one of these: e-mail protection, time stamps, OCSP, documents (RFC 9336), Microsoft's, C2PA's own.
USES = {
    *(f"1.3.6.1.5.5.7.3.{use}" for use in (4, 8, 9, 36)),
    "1.3.6.1.4.1.311.76.59.1.9",
    "1.3.6.1.4.1.62558.2.1",
}
LEAST_RSA_BITS = 2048
CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


class Signer(Protocol):
    def sign(self, data: bytes, media_type: str) -> bytes:
        """The file with its credentials."""


class CredentialsSigner:
    """Signs with one key. Made in the process that signs: the library's objects outlive no fork.

    :param chain: PEM, the signer's certificate first.
    :param key: PEM, in any form without a password; the library itself reads PKCS #8 only, and nothing before it.
    :raises ValueError: they do not fit each other, or have no use here.
    :raises ImportError: c2pa-python has no build for this platform.
    """

    def __init__(self, chain: bytes, key: bytes) -> None:
        # An optional package, and 50 MB that a process without signing does not load.
        import c2pa  # noqa: PLC0415

        algorithm = algorithm_of(chain, key)
        self._c2pa = c2pa
        self._context = c2pa.Context(settings=c2pa.Settings.from_json(SETTINGS))
        info = c2pa.C2paSignerInfo(algorithm, _plain_chain(chain), _plain_key(key), None)
        self._signer = c2pa.Signer.from_info(info)

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
    """Refuses what the library takes and then cannot sign with, too, but no certificate that is out of date: that is no
    reason to draw nothing.

    :raises ValueError: as `CredentialsSigner`.
    """
    found = serialization.load_pem_private_key(key, password=None)
    certificate = x509.load_pem_x509_certificates(chain)[0]
    if certificate.public_key() != found.public_key():
        raise ValueError("SIGNING_KEY is not the key of the first certificate in SIGNING_CERTIFICATE")
    _check_use(certificate)
    if isinstance(found, ec.EllipticCurvePrivateKey) and found.curve.name in CURVES:
        return CURVES[found.curve.name]
    if isinstance(found, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(found, rsa.RSAPrivateKey) and found.key_size >= LEAST_RSA_BITS:
        return "ps256"
    raise ValueError(f"SIGNING_KEY is none of P-256, P-384, P-521, Ed25519 and RSA of {LEAST_RSA_BITS} bits or more")


def _check_use(certificate: x509.Certificate) -> None:
    uses: set[str] = set()
    with contextlib.suppress(x509.ExtensionNotFound):
        found = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        uses = {usage.dotted_string for usage in found}
    if not uses & USES:
        raise ValueError("SIGNING_CERTIFICATE lacks an extended key usage of C2PA, such as e-mail protection")
    with contextlib.suppress(x509.ExtensionNotFound):
        if certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise ValueError("SIGNING_CERTIFICATE begins with the certificate of an authority, not with a signer's")


def _plain_chain(chain: bytes) -> bytes:
    found = x509.load_pem_x509_certificates(chain)
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in found)


def _plain_key(key: bytes) -> bytes:
    return serialization.load_pem_private_key(key, password=None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _manifest(media_type: str) -> dict[str, Any]:
    """Nothing of the prompt or its author: credentials are meant to be passed on."""
    agent = {"name": PRODUCT, "version": VERSION}
    action = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE, "softwareAgent": agent}
    return {
        "claim_generator_info": [agent],
        "format": media_type,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }
