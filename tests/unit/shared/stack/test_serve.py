"""`make serve`: how many workers, where it listens, and that a second one is refused; without a stack."""

import configparser
import os
import signal
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from shared.stack import embedded_redis, probe, serve, supervision
from shared.stack.serve import ServeSettings, free_port, generate_workers
from worker.generate import child


@pytest.mark.parametrize(
    ("settings", "gpus", "count"),
    [
        ({}, 0, 1),
        ({}, 4, 4),
        ({"gpu": "2"}, 4, 1),
        ({"gpu": "GPU-1a2b"}, 4, 1),
        ({"generate_workers": 3}, 0, 3),
        ({"generate_workers": 2}, 4, 2),
    ],
)
def test_one_worker_for_each_card_that_they_may_take(settings, gpus, count):
    assert generate_workers(ServeSettings(_env_file=None, **settings), gpus) == count


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", "::", "::1"])
def test_each_kind_of_address_is_tried_as_the_api_will(host):
    port = free_port()
    serve._refuse_taken(host, port)
    with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
        with pytest.raises(SystemExit, match=f"PORT {port} on {host} cannot be used"):
            serve._refuse_taken(host, port)
        socket.create_connection((serve._reached(host).strip("[]"), port)).close()


def test_who_writes_the_append_only_file_holds_its_folder_until_it_ends(tmp_path):
    (tmp_path / "redis").mkdir()
    command = [sys.executable, "-m", "shared.stack.embedded_redis", str(tmp_path / "redis"), "/bin/cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdin.write(b"x")
        holder.stdin.flush()
        assert holder.stdout.read(1) == b"x"  # it is cat by now
        assert subprocess.run(command, input=b"", capture_output=True, check=False).returncode == 1
        with pytest.raises(SystemExit, match="is in use by another `make serve`"):
            serve._embedded_redis(tmp_path, "1gb")
    os.close(embedded_redis.lock(tmp_path / "redis"))


def test_each_program_has_its_own_port_and_is_probed_there():
    programs = supervision.stack(2, webhooks=True, flower=True)
    written = configparser.RawConfigParser()
    written.read_string(supervision.programs(programs, 9100))
    ports = {name: written[f"program:{name}"]["environment"].split(",")[0] for name in programs}
    assert ports == {
        "finish": 'METRICS_PORT="9100"',
        "sweeper": 'METRICS_PORT="9101"',
        "generate-0": 'METRICS_PORT="9102"',
        "generate-1": 'METRICS_PORT="9103"',
        "webhook": 'METRICS_PORT="9104"',
        "api": 'METRICS_PORT="0"',
        "flower": 'METRICS_PORT="0"',
    }
    assert supervision.health_urls(programs, "127.0.0.1", 9100) == [
        f"http://127.0.0.1:{port}/health" for port in range(9100, 9105)
    ]
    assert supervision.health_urls(programs, "127.0.0.1", 0) == []
    assert list(supervision.workers(2)) == ["generate-0", "generate-1"]


@pytest.fixture
def started(monkeypatch, tmp_path):
    """What a start with these words and settings leaves to supervisord: its programs, where to ask, the environment."""

    def _started(*words, **env):
        shown = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
        monkeypatch.setattr(os, "environ", shown | {"DATA_DIR": str(tmp_path), "TORCH_DEVICE": "cpu"} | env)
        monkeypatch.setattr(os, "execv", lambda *_: None)
        monkeypatch.setattr(sys, "argv", ["serve", *words])
        serve.main()
        (conf,) = tmp_path.glob("*/supervisord.conf")
        written = configparser.RawConfigParser()
        written.read(conf)
        urls = (conf.parent / "health_urls").read_text().split()
        return {name.partition(":")[2] for name in written if name.startswith("program:")}, urls, os.environ

    return _started


def test_one_image_has_what_compose_has(started):
    port = free_port()
    programs, urls, env = started(
        PORT=str(port), HOST="::", GENERATE_WORKERS="3", METRICS_PORT="9100", FLOWER_ENABLED="true", FLOWER_PORT="5556"
    )
    assert programs == {"redis", "api", "generate-0", "generate-1", "generate-2", "finish", "sweeper", "flower"}
    assert urls == [f"http://[::1]:{port}/health/live", *(f"http://127.0.0.1:{9100 + n}/health" for n in range(5))]
    assert [env[f"FLOWER_{name}"] for name in ("ADDRESS", "PORT", "BASIC_AUTH")] == ["127.0.0.1", "5556", "logo:logo"]


def test_another_machine_has_workers_only(started):
    programs, urls, env = started("worker", REDIS_URL="redis://elsewhere/0", GENERATE_WORKERS="2")
    assert (programs, urls, env["REDIS_URL"]) == ({"generate-0", "generate-1"}, [], "redis://elsewhere/0")


@pytest.mark.parametrize(("words", "reason"), [(["worker"], "REDIS_URL"), (["workers"], "usage")])
def test_workers_alone_need_a_redis_of_others(started, words, reason):
    with pytest.raises(SystemExit, match=reason):
        started(*words)


def test_the_probe_names_the_part_that_is_not_well(monkeypatch, tmp_path):
    port = free_port()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "health_urls").write_text(f"http://127.0.0.1:{port}/health\n")
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    with pytest.raises(SystemExit, match=f"127.0.0.1:{port}/health: .*refused"):
        probe.main()


def test_after_a_load_that_failed_the_worker_waits_before_it_ends(monkeypatch):
    happened = []
    clock = iter(range(0, 1000, 10))

    class Ended(BaseException):
        pass

    def end(code):
        raise Ended

    monkeypatch.setattr(child, "load", lambda *_: 1 / 0)
    monkeypatch.setattr(child.readiness, "announce", lambda _: None)
    fake = SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda _: happened.append("waited"))
    monkeypatch.setattr(child, "time", fake)
    monkeypatch.setattr(child.os, "kill", lambda pid, sent: happened.append((pid, sent)))
    monkeypatch.setattr(child.os, "_exit", end)
    with pytest.raises(Ended):
        child.set_up(None, None, None, "w")
    assert happened == ["waited"] * 2 + [(os.getppid(), signal.SIGQUIT)]
