"""`.env.example` names every setting and every variable of the compose file, and no other, with its default."""

import itertools
import re
from pathlib import Path

import pytest

from api.settings import ApiSettings
from shared.stack.serve import ServeSettings
from worker.settings import WorkerSettings

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / ".env.example"
KINDS = (ApiSettings, WorkerSettings, ServeSettings)
SETTINGS = {name.upper() for kind in KINDS for name in kind.model_fields}
# The compose file decides these itself: it has its own Redis and its own volumes.
NOT_IN_COMPOSE = {"REDIS_URL", "DATA_DIR", "GPU_LOCK_DIR", "METRICS_HOST", "METRICS_PORT"}
# In compose, Flower has a container of its own.
NOT_IN_COMPOSE |= {"FLOWER_ENABLED", "FLOWER_ADDRESS"}
# Compose's own defaults: the folder where its volume is mounted, and one worker, because it cannot count cards.
ITS_OWN = {"COMPILE_CACHE_DIR": "/compiled", "GENERATE_WORKERS": "1"}


def documented() -> list[str]:
    return re.findall(r"^([A-Z][A-Z0-9_]*)=", EXAMPLE.read_text(), re.MULTILINE)


def compose_defaults() -> dict[str, set[str]]:
    defaults: dict[str, set[str]] = {}
    text = (ROOT / "docker-compose.yml").read_text()
    for name, default in re.findall(r"(?<!\$)\$\{([A-Z0-9_]+):-([^}]*)\}", text):
        defaults.setdefault(name, set()).add(default)
    return defaults


def test_it_names_each_setting_once_and_nothing_else():
    assert sorted(documented()) == sorted(SETTINGS | set(compose_defaults()))


def test_compose_hands_every_setting_on():
    assert SETTINGS - set(compose_defaults()) == NOT_IN_COMPOSE


def test_every_line_has_a_comment_before_it():
    pairs = itertools.pairwise(EXAMPLE.read_text().splitlines())
    assert [line for before, line in pairs if re.match("[A-Z]", line) and not before.startswith("# ")] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_of_it_changes_nothing(kind, monkeypatch):
    for name in documented():
        monkeypatch.delenv(name, raising=False)
    assert kind(_env_file=EXAMPLE) == kind(_env_file=None)


def test_its_values_are_the_defaults_of_compose():
    values = dict(re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))
    # An empty default in compose means the setting's own default, which the test above compares.
    differing = {name: found for name, found in compose_defaults().items() if found != {""} and found != {values[name]}}
    assert differing == {name: {value} for name, value in ITS_OWN.items()}
