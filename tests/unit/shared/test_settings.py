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
        (ApiSettings, "KEEP_ALIVE_SECONDS", "0", "1"),
        (ApiSettings, "CORS_ORIGINS", "https://app.example/", "without a path"),
        (ApiSettings, "CORS_ORIGINS", "https://a.example, https://app.example/page", "without a path"),
        (ApiSettings, "CORS_ORIGINS", "app.example", "scheme"),
        (ApiSettings, "ROOT_PATH", "/logo/", "without a slash at its end"),
        (ApiSettings, "ROOT_PATH", "/api", "none of the API's own"),
        (ApiSettings, "CORS_ORIGINS", "https://App.example", "lower case"),
        (ApiSettings, "CORS_ORIGINS", "https://*.example", "must be *, or"),
        (ApiSettings, "CORS_ORIGINS", "https://app.example:443", "port"),
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
    assert value.split(", ")[-1] in lines[0]
    assert bound in lines[0]


def test_lists_are_split_and_an_empty_value_is_no_value(monkeypatch):
    monkeypatch.setenv("API_KEYS", "one, two,")
    monkeypatch.setenv("PORT", "")
    settings = load(ApiSettings)
    assert settings.api_keys == ("one", "two")
    assert settings.port == 7860


@pytest.mark.parametrize(
    "origins", ["*", "https://app.example,http://localhost:3000", "http://[::1]:8080", "null, capacitor://localhost"]
)
def test_origins_that_a_browser_sends(monkeypatch, origins):
    monkeypatch.setenv("CORS_ORIGINS", origins)
    assert load(ApiSettings).cors_origins == tuple(part.strip() for part in origins.split(","))


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
