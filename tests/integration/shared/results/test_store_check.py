"""A store that cannot be used ends the start of each process that uses it with one line; one that is away does not."""

import os
import subprocess
import sys

import httpx
import pytest

import api.main
import worker.sweeper
from shared.results import opening
from shared.settings import load
from worker.settings import WorkerSettings


@pytest.fixture
def check(monkeypatch, capsys):
    """Starts a process's main with these settings; its exit code and what it says."""

    def _check(main=lambda: opening.check(load(WorkerSettings)), **settings):
        for name, value in settings.items():
            monkeypatch.setenv(name.upper(), value)
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        said = "".join(capsys.readouterr())
        assert "a-secret-key" not in said
        return code, said

    return _check


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("ftp://host/folder", "must be redis, s3://BUCKET, s3://BUCKET/PREFIX or file:///FOLDER"),
        ("s3://", "must be redis"),
        ("file://folder", "must be redis"),
        ("file:///proc/logos", "No such file or directory"),
    ],
)
def test_what_is_no_store_is_one_line(check, value, reason):
    code, said = check(result_store=value)
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith(f"setting RESULT_STORE={value!r}")
    assert reason in said


def test_a_secret_in_it_is_not_said(check):
    code, said = check(result_store="s3://key:a-secret-key@bucket")
    assert (code, said.startswith("setting RESULT_STORE: ")) == (2, True)


@pytest.mark.parametrize("main", [api.main.main, worker.sweeper.main], ids=["api", "sweeper"])
def test_a_bucket_that_is_missing_ends_the_start(check, s3, valkey, monkeypatch, main):
    monkeypatch.setattr("shared.observability.logging.configure", lambda *_: None)
    monkeypatch.setattr("api.open_files.raise_limit", lambda: None)
    settings = s3.settings() | {"result_store": "s3://missing/logos", "redis_url": valkey.url}
    assert check(main, **settings) == (2, "setting RESULT_STORE='s3://missing/logos': NoSuchBucket\n")


def test_a_finisher_looks_in_a_process_of_its_own(s3, valkey):
    """Its pool forks, which the library's threads do not outlive."""
    settings = s3.settings() | {"result_store": "s3://missing", "redis_url": valkey.url}
    ended = subprocess.run(
        [sys.executable, "-m", "worker.finish.main"],
        env=os.environ | {name.upper(): value for name, value in settings.items()},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (2, "setting RESULT_STORE='s3://missing': NoSuchBucket\n")


def test_a_bucket_without_permission(check, s3):
    settings, body = s3.settings(), {"Content-Type": "text/plain"}
    httpx.post(f"{s3.url}/moto-api/reset-auth", content=b"0", headers=body).raise_for_status()
    try:
        code, said = check(**settings)
    finally:
        httpx.post(f"{s3.url}/moto-api/reset-auth", content=b"inf", headers=body).raise_for_status()
    assert (code, said) == (2, f"setting RESULT_STORE={settings['result_store']!r}: InvalidAccessKeyId\n")


def test_one_that_can_be_used_or_is_away_is_not_refused(check, s3, tmp_path):
    settings = s3.settings("/logos")
    assert check(**settings) == (0, "")
    assert s3.objects(settings) == []
    assert check(**settings | {"aws_endpoint_url": "http://127.0.0.1:1"}) == (0, "")
    assert check(result_store=f"file://{tmp_path}/new/folder") == (0, "")
