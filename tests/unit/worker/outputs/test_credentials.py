import io
import json
import sys

import c2pa
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from shared.results.formats import AVIF, JPEG, PNG, SVG, WEBP
from shared.settings import VERSION
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


def test_a_platform_without_a_build_has_no_signer(monkeypatch):
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(ImportError):
        open_signer(None, None)
