import pytest
import structlog

from worker.finish import marking
from worker.outputs.development_certificate import development_chain
from worker.settings import WorkerSettings


@pytest.fixture
def files(tmp_path):
    """Paths of a certificate and its key."""
    paths = tmp_path / "certificate.pem", tmp_path / "key.pem"
    for path, text in zip(paths, development_chain(), strict=True):
        path.write_bytes(text)
    return paths


def settings(certificate=None, key=None, **options):
    return WorkerSettings(_env_file=None, signing_certificate=certificate, signing_key=key, **options)


def test_what_fits_starts(files):
    for started in (settings(), settings(*files), settings(files[0], content_credentials=False)):
        marking.check(started)
    assert marking.marking_of(settings(*files)).signer is not None
    assert marking.marking_of(settings(content_credentials=False)).signer is None
    assert not marking.marking_of(settings(content_credentials=False, metadata=False)).metadata


@pytest.mark.parametrize("fault", ["no key", "no file", "another key", "no PEM"])
def test_a_wrong_certificate_or_key_ends_the_start_with_one_line(files, tmp_path, capsys, fault):
    certificate, key = files
    if fault == "another key":
        key.write_bytes(development_chain()[1])
    if fault == "no PEM":
        certificate.write_text("a certificate")
    wrong = {"no key": (certificate, None), "no file": (tmp_path / "none.pem", key)}.get(fault, files)
    with pytest.raises(SystemExit) as ended:
        marking.check(settings(*wrong))
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("settings SIGNING_CERTIFICATE, SIGNING_KEY: ")


def test_a_signer_that_cannot_be_had_costs_no_image(tmp_path):
    with structlog.testing.capture_logs() as logs:
        signer = marking.marking_of(settings(tmp_path / "gone.pem", tmp_path / "gone.pem")).signer
    assert [entry["event"] for entry in logs] == ["signer.unavailable"]
    with pytest.raises(RuntimeError, match="image/png"):
        signer.sign(b"data", "image/png")
