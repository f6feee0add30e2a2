import io
import json
import sys
from codecs import BOM_UTF8
from datetime import UTC, datetime, timedelta

import c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from shared.results.formats import AVIF, JPEG, PNG, SVG, WEBP
from shared.settings import VERSION
from worker.outputs import credentials
from worker.outputs.credentials import CredentialsSigner, open_signer
from worker.outputs.development_certificate import development_chain
from worker.outputs.encoding import encode
from worker.outputs.metadata import SOURCE_TYPE
from worker.outputs.tracing import trace

FORMATS = [PNG, WEBP, JPEG, AVIF, SVG]


@pytest.fixture(scope="module")
def signer():
    return open_signer(None, None)


def unsigned(form, logo, about):
    return trace(logo.rgb).document() if form is SVG else encode(logo.image, form, about)


def read(data, form):
    reader = c2pa.Reader(form.media_type, io.BytesIO(data))
    return reader.get_validation_state(), json.loads(reader.json())


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_the_library_that_reads_credentials_finds_them_valid(form, signer, logo, about):
    before = unsigned(form, logo, about)
    signed = signer.sign(before, form.media_type)
    state, found = read(signed, form)
    assert state == "Valid"
    assert {problem["code"] for problem in found["validation_status"]} == {"signingCredential.untrusted"}
    manifest = found["manifests"][found["active_manifest"]]
    assert {"name": "Logo Generator", "version": VERSION}.items() <= manifest["claim_generator_info"][0].items()
    (actions,) = [a["data"]["actions"] for a in manifest["assertions"] if a["label"].startswith("c2pa.actions")]
    assert [(action["action"], action["digitalSourceType"]) for action in actions] == [("c2pa.created", SOURCE_TYPE)]
    assert about.prompt not in json.dumps(found)
    assert len(signed) - len(before) < 6000


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_a_file_that_was_changed_is_found_out(form, signer, logo, about):
    before = unsigned(form, logo, about)
    signed = signer.sign(before, form.media_type)
    if form is SVG:
        changed = signed.replace(trace(logo.rgb).palette[-1].encode(), b"#123456", 1)
    else:
        changed = bytearray(signed)
        changed[signed.index(before[-120:-100])] ^= 1
    state, found = read(bytes(changed), form)
    assert state == "Invalid"
    assert any("mismatch" in problem["code"] for problem in found["validation_status"])


def test_the_key_and_certificate_of_files_are_used(tmp_path, logo, about):
    chain, key = development_chain()
    (tmp_path / "chain.pem").write_bytes(chain)
    (tmp_path / "key.pem").write_bytes(key)
    signed = open_signer(tmp_path / "chain.pem", tmp_path / "key.pem").sign(unsigned(PNG, logo, about), PNG.media_type)
    assert read(signed, PNG)[0] == "Valid"


def test_a_key_that_does_not_fit_its_certificate_is_refused(tmp_path):
    other = ec.generate_private_key(ec.SECP256R1())
    key = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ValueError, match="SIGNING_KEY is not the key"):
        CredentialsSigner(development_chain()[0], key)
    with pytest.raises(ValueError, match="belong together"):
        open_signer(tmp_path / "chain.pem", None)
    with pytest.raises(FileNotFoundError):
        open_signer(tmp_path / "chain.pem", tmp_path / "key.pem")
    with pytest.raises(ValueError, match="PEM"):
        CredentialsSigner(b"no certificate", b"no key")


@pytest.mark.parametrize("form", ["traditional", "with a byte-order mark", "with CRLF", "with parameters"])
def test_a_key_is_taken_in_any_form(form, logo, about):
    chain, key = development_chain()
    found = serialization.load_pem_private_key(key, password=None)
    traditional = found.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    # As `openssl ecparam -genkey` writes it.
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    chain, key = {
        "traditional": (chain, traditional),
        "with a byte-order mark": (BOM_UTF8 + chain, BOM_UTF8 + key),
        "with CRLF": (chain.replace(b"\n", b"\r\n"), key.replace(b"\n", b"\r\n")),
        "with parameters": (chain, parameters + traditional),
    }[form]
    signed = CredentialsSigner(chain, key).sign(unsigned(PNG, logo, about), PNG.media_type)
    assert read(signed, PNG)[0] == "Valid"


def certificate_of(key, *, uses=("1.3.6.1.5.5.7.3.4",), ca=False):
    name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 5, now, now + timedelta(days=1))
    usage = x509.KeyUsage(True, *[False] * 8)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    extensions = [x509.BasicConstraints(ca=ca, path_length=None), usage, identifier]
    extensions += [x509.ExtendedKeyUsage(list(map(x509.ObjectIdentifier, uses)))] if uses else []
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.KeyUsage))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"uses": ()}, "extended key usage"),
        ({"uses": ("1.3.6.1.5.5.7.3.1",)}, "extended key usage"),
        ({"ca": True}, "of an authority"),
        ({"bits": 1024}, "2048 bits"),
    ],
    ids=str,
)
def test_what_could_never_sign_is_refused(wrong, said, logo, about, monkeypatch):
    bits = wrong.get("bits")
    key = rsa.generate_private_key(65537, bits) if bits else ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain = certificate_of(key, **{name: value for name, value in wrong.items() if name != "bits"})
    with pytest.raises(ValueError, match=said):
        CredentialsSigner(chain, pem)
    # The library would take it, and sign nothing.
    monkeypatch.setattr(credentials, "algorithm_of", lambda *_: "ps256" if bits else "es256")
    with pytest.raises(c2pa.C2paError):
        CredentialsSigner(chain, pem).sign(unsigned(PNG, logo, about), PNG.media_type)


def test_a_platform_without_a_build_has_no_signer(monkeypatch):
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(ImportError):
        open_signer(None, None)
