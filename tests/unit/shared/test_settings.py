import pytest

from api.settings import ApiSettings
from shared.settings import load
from worker.settings import WorkerSettings


@pytest.mark.parametrize(
    ("kind", "name", "value", "bound"),
    [
        (ApiSettings, "PORT", "70000", "65535"),
        (ApiSettings, "REQUEST_TIMEOUT", "soon", "number"),
        (ApiSettings, "LOG_FORMAT", "xml", "json"),
        (WorkerSettings, "DEFAULT_INFERENCE_STEPS", "51", "50"),
        (WorkerSettings, "TORCH_DEVICE", "tpu", "cuda"),
        (WorkerSettings, "MAX_CONCURRENT_JOBS", "0", "1"),
    ],
)
def test_a_wrong_value_ends_the_start_with_one_line(monkeypatch, capsys, kind, name, value, bound):
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as end:
        load(kind)
    lines = capsys.readouterr().err.splitlines()
    assert end.value.code == 2
    assert len(lines) == 1
    assert name in lines[0]
    assert value in lines[0]
    assert bound in lines[0]


def test_lists_are_split_and_an_empty_value_is_no_value(monkeypatch):
    monkeypatch.setenv("API_KEYS", "one, two,")
    monkeypatch.setenv("PORT", "")
    settings = load(ApiSettings)
    assert settings.api_keys == ("one", "two")
    assert settings.port == 7860


def test_settings_are_frozen():
    settings = load(ApiSettings)
    with pytest.raises(Exception, match="frozen"):
        settings.port = 1


def test_a_wrong_secret_is_not_shown(monkeypatch, capsys):
    monkeypatch.setenv("WEBHOOK_SECRETS", "whsec_hush")
    monkeypatch.setenv("URL_SIGNING_KEYS", "hush")
    with pytest.raises(SystemExit):
        load(ApiSettings)
    printed = capsys.readouterr().err
    assert "WEBHOOK_SECRETS" in printed
    assert "URL_SIGNING_KEYS" in printed
    assert "hush" not in printed


def test_a_user_without_a_home_has_a_folder_for_kernels(monkeypatch, tmp_path):
    def none():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("COMPILE_CACHE_DIR", raising=False)
    monkeypatch.setattr("pathlib.Path.home", none)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert load(WorkerSettings).compile_cache_dir.parent == tmp_path
