"""supervisord's programs, their ports and their health."""

import configparser
import shlex

import pytest
from supervisor.options import UnhosedConfigParser

from shared.stack import supervision


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


@pytest.mark.parametrize(
    "path",
    [
        "/home/jo doe/data",
        "/a #b",
        "/a ;b",
        "/a\u00a0#b",
        "/100%",
        "/50%d of/it",
        "/it's",
        '/say "so"',
        "/back\\slash",
        "#",
        " ",
    ],
)
def test_every_path_is_read_back_as_it_was(path):
    written = UnhosedConfigParser()
    written.read_string(f"[program:x]\ncommand={supervision._words([path, '-m', path])}\n")
    assert shlex.split(written.saneget("program:x", "command")) == [path, "-m", path]
