import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from api.settings import ApiSettings
from shared.settings import FlowerSettings, load
from shared.stack.serve import ServeSettings
from worker.settings import WorkerSettings


@pytest.mark.parametrize(
    ("kind", "name", "value", "bound"),
    [
        (ApiSettings, "PORT", "70000", "65535"),
        (ApiSettings, "REQUEST_TIMEOUT", "soon", "number"),
        (ApiSettings, "LOG_FORMAT", "xml", "json"),
        (ApiSettings, "KEEP_ALIVE_SECONDS", "0", "1"),
        (ApiSettings, "RATE_LIMIT", "1/99999999999999day", "pattern"),
        (ApiSettings, "RATE_LIMIT", "10/0minute", "pattern"),
        (ServeSettings, "REDIS_MAXMEMORY", "17179869184gb", "pattern"),
        (ServeSettings, "REDIS_MAXMEMORY", "2 GB", "pattern"),
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
        (WorkerSettings, "MODEL_PATH", "/nowhere/flux", "directory"),
        (WorkerSettings, "LORA_PATHS", "/nowhere.safetensors:0.5", "/nowhere.safetensors is missing"),
        (WorkerSettings, "LORA_PATHS", "/etc/hostname:nan", "the scale must be a number"),
        (WorkerSettings, "SERVED_SIZES", "512, 32", "64"),
        (WorkerSettings, "SERVED_SIZES", "4096", "2048"),
        (ApiSettings, "OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "http"),
        (ApiSettings, "PUBLIC_URL", "https://logos example", "match"),
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


@pytest.mark.parametrize("kind", [ApiSettings, WorkerSettings, ServeSettings])
@pytest.mark.parametrize("value", ["JSON", "Json", "json"])
def test_a_log_format_is_one_in_any_case(monkeypatch, kind, value):
    monkeypatch.setenv("LOG_FORMAT", value)
    assert load(kind).log_format == "json"


@pytest.mark.parametrize("kind", [ApiSettings, ServeSettings])
@pytest.mark.parametrize(
    ("given", "host"), [("[::1]", "::1"), ("[::]", "::"), ("::", "::"), ("localhost", "localhost")]
)
def test_brackets_are_no_part_of_an_address(monkeypatch, kind, given, host):
    monkeypatch.setenv("HOST", given)
    assert load(kind).host == host


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (ServeSettings, "DATA_DIR"),
        (WorkerSettings, "MODEL_PATH"),
        (WorkerSettings, "COMPILE_CACHE_DIR"),
        (WorkerSettings, "GPU_LOCK_DIR"),
        (ApiSettings, "API_KEYS_FILE"),
    ],
)
def test_a_tilde_in_a_path_is_the_home_folder(monkeypatch, tmp_path, kind, name):
    home = tmp_path / "jo doe"
    home.mkdir()
    (home / "it").mkdir() if name == "MODEL_PATH" else (home / "it").touch()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv(name, "~/it")
    assert getattr(load(kind), name.lower()) == home / "it"


@pytest.mark.parametrize("name", ["API_KEYS", "PUBLIC_URL", "DATA_DIR", "REDIS_URL"])
def test_what_is_not_utf_8_ends_the_start_with_one_line(monkeypatch, capsys, name):
    kind = ServeSettings if name == "DATA_DIR" else ApiSettings
    monkeypatch.setenv(name, b"/schl\xfcssel".decode(errors="surrogateescape"))
    with pytest.raises(SystemExit, match="2"):
        load(kind)
    assert capsys.readouterr().err == f"setting {name}: must be text in UTF-8\n"


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
def test_a_file_of_settings_that_cannot_be_read_ends_the_start_with_one_line():
    program = "import os; from shared.settings import Settings, load; os.setuid(10001); load(Settings)"
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # one that every user may enter, as pytest's own is not
        Path(folder).chmod(0o755)
        (Path(folder) / ".env").touch(0o600)
        env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
        command = [sys.executable, "-c", program]
        result = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (2, ".env cannot be read: Permission denied\n")


@pytest.mark.parametrize("level", ["warning", "Warning", "WARNING"])
def test_a_log_level_is_one_in_any_case(monkeypatch, level):
    monkeypatch.setenv("LOG_LEVEL", level)
    assert load(ApiSettings).log_level == "WARNING"


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("\ufeffPORT=7861\nHOST=127.0.0.1\n", encoding="utf-8")
    assert (load(ApiSettings).port, load(ServeSettings).port) == (7861, 7861)
    (tmp_path / ".env").write_bytes("ENVIRONMENT=für\n".encode("latin-1"))
    with pytest.raises(SystemExit):
        load(ApiSettings)
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_keys_that_cannot_be_read_as_text_end_the_start_with_one_line(tmp_path, monkeypatch, capsys, encoding):
    """Some editors call UTF-16 Unicode. With such a file no key would open anything."""
    (tmp_path / "keys").write_text("schlüssel-von-sechzehn-zeichen\n", encoding=encoding)
    monkeypatch.setenv("API_KEYS_FILE", str(tmp_path / "keys"))
    with pytest.raises(SystemExit):
        load(ApiSettings)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("setting API_KEYS_FILE: ")
    assert "UTF-8" in line


@pytest.mark.parametrize("padding", ["", "=", "=="])
def test_a_webhook_secret_that_passes_can_sign(monkeypatch, padding):
    """The bounds are those of its bytes: of the texts of 30 to 90 characters, every fourth is none in base64."""
    passed = []
    for length in range(30, 91):
        monkeypatch.setenv("WEBHOOK_SECRETS", f"whsec_{'A' * length}{padding}")
        try:
            (secret,) = load(WorkerSettings).webhook_secrets
        except SystemExit:
            continue
        assert 24 <= len(Webhook(secret.get_secret_value())._whsecret) <= 64
        passed.append(length)
    assert passed == [length for length in range(32, 87) if length % 4 != 1]


@pytest.mark.parametrize("value", ["ü:pw", "user:pw,other:pw", "user", ":pw", "user:", "user:p\tw"])
@pytest.mark.parametrize("kind", [ServeSettings, FlowerSettings])
def test_a_password_that_flower_cannot_compare_ends_the_start(monkeypatch, capsys, kind, value):
    monkeypatch.setenv("FLOWER_BASIC_AUTH", value)
    with pytest.raises(SystemExit):
        load(kind)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("setting FLOWER_BASIC_AUTH: ")
    assert "ASCII" in line
    assert "pw" not in line


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
