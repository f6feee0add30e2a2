"""`make serve` up to the start of supervisord: how many workers, where it listens, which programs, what it refuses."""

import configparser
import contextlib
import os
import socket
import sys

import pytest

from shared.stack import serve
from shared.stack.ports import Port, free_port, refuse_taken
from shared.stack.serve import ServeSettings, generate_workers


@pytest.mark.parametrize(
    ("settings", "gpus", "count"),
    [
        ({}, 0, 1),
        ({}, 4, 4),
        ({"gpu": "2"}, 4, 1),
        ({"gpu": "GPU-1a2b"}, 4, 1),
        ({"gpu": "0,2"}, 4, 2),
        ({"generate_workers": 3}, 0, 3),
        ({"generate_workers": 0}, 4, 0),
        ({"generate_workers": 2}, 4, 2),
    ],
)
def test_one_worker_for_each_card_that_they_may_take(settings, gpus, count):
    assert generate_workers(ServeSettings(_env_file=None, **settings), gpus) == count


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", "::", "::1"])
def test_each_kind_of_address_is_tried_as_the_api_will(host):
    port = free_port()
    refuse_taken([Port("PORT", host, port)])
    with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
        with pytest.raises(SystemExit, match=f"PORT {port} on {host} cannot be used"):
            refuse_taken([Port("PORT", host, port)])
        socket.create_connection((serve._reached(host).strip("[]"), port)).close()


def test_every_address_is_ipv4_too():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit, match=f"PORT {port} on :: cannot be used"):
            refuse_taken([Port("PORT", "::", port)])


@pytest.fixture
def started(monkeypatch, tmp_path):
    """Starts with these arguments and settings; returns the programs, health URLs and environment for supervisord."""

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


@pytest.mark.parametrize(
    ("settings", "refused"),
    [
        ({"FLOWER_ADDRESS": "0.0.0.0"}, True),
        ({"FLOWER_ADDRESS": "0.0.0.0", "FLOWER_BASIC_AUTH": "ada:lovelace"}, False),
        ({"FLOWER_ADDRESS": "0.0.0.0", "FLOWER_ENABLED": "false"}, False),
        ({"FLOWER_ADDRESS": "::1"}, False),
    ],
)
def test_flower_is_not_published_with_the_password_that_everybody_knows(started, settings, refused, capsys):
    expected = pytest.raises(SystemExit, match="2") if refused else contextlib.nullcontext()
    with expected:
        started(**{"PORT": str(free_port()), "FLOWER_ENABLED": "true"} | settings)
    assert ("FLOWER_BASIC_AUTH" in capsys.readouterr().err) == refused


def test_a_machine_of_workers_has_one_at_least(started, capsys):
    with pytest.raises(SystemExit, match="2"):
        started("worker", REDIS_URL="redis://elsewhere/0", GENERATE_WORKERS="0")
    assert "GENERATE_WORKERS=0" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "reason"), [(["worker"], "REDIS_URL"), (["workers"], "usage")])
def test_workers_alone_need_a_redis_of_others(started, words, reason):
    with pytest.raises(SystemExit, match=reason):
        started(*words)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "localhost,127.0.0.1,::1"),
        ({"no_proxy": ".corp"}, ".corp,localhost,127.0.0.1,::1"),
        ({"NO_PROXY": "*"}, "*"),
    ],
)
def test_the_programs_reach_this_machine_without_a_proxy(started, monkeypatch, given, told):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    _, _, env = started(PORT=str(free_port()), **given)
    assert env["no_proxy"] == env["NO_PROXY"] == told


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"METRICS_PORT": "{taken}"}, "METRICS_PORT {taken} on 127.0.0.1"),
        ({"FLOWER_ENABLED": "true", "FLOWER_PORT": "{taken}"}, "FLOWER_PORT {taken} on 127.0.0.1"),
        ({"FLOWER_ENABLED": "true", "FLOWER_PORT": "{port}"}, "FLOWER_PORT {port} on 127.0.0.1"),  # the API's own
        ({"METRICS_PORT": "65535"}, "METRICS_PORT: one of its ports would be 65536"),
    ],
)
def test_every_port_is_tried_before_anything_starts(started, settings, named, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = {"taken": taken.getsockname()[1], "port": free_port()}
        env = {name: value.format(**ports) for name, value in settings.items()}
        with pytest.raises(SystemExit) as end:
            started(**{"PORT": str(ports["port"]), "HOST": "127.0.0.1"} | env)
    assert named.format(**ports) in f"{end.value}{capsys.readouterr().err}"
