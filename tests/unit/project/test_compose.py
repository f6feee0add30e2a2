"""The compose file fits the Compose specification's schema and gives the services what they rely on."""

import json
import re
from pathlib import Path

import check_jsonschema
import pytest
import yaml
from click.testing import CliRunner

from api.open_files import RESERVED
from api.settings import ApiSettings
from shared.settings import VERSION

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "docker-compose.yml"
SERVICES = yaml.safe_load(COMPOSE.read_text())["services"]


def check(path):
    return CliRunner().invoke(check_jsonschema.main, ["--builtin-schema", "vendor.compose-spec", str(path)])


def test_it_is_valid_for_compose_v2(tmp_path):
    result = check(COMPOSE)
    assert result.exit_code == 0, result.output
    wrong = yaml.safe_load(COMPOSE.read_text())
    wrong["services"]["api"]["replicaz"] = 2
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    assert check(tmp_path / "wrong.json").exit_code == 1


def test_only_the_api_is_reached_from_elsewhere():
    published = {name: service.get("ports", []) for name, service in SERVICES.items()}
    outside = {name for name, ports in published.items() for port in ports if not port.startswith("127.0.0.1:")}
    assert outside == {"api"}


@pytest.mark.parametrize("name", ["api", "generate", "finish", "webhook", "sweeper"])
def test_what_serves_is_watched_and_started_again(name):
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert "test" in SERVICES[name]["healthcheck"]
    assert SERVICES[name]["init"] is True


@pytest.mark.parametrize("name", ["redis", "api", "generate", "finish", "webhook", "sweeper", "flower"])
def test_what_runs_has_no_rights_that_it_does_not_need(name):
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert all(folder.startswith("/tmp") for folder in service["tmpfs"])
    assert bool(service.get("cap_add")) is (name == "redis")
    assert ("mem_limit" in service) is (name != "redis")


def test_the_api_may_have_as_many_open_files_as_it_holds_calls():
    settings = ApiSettings(_env_file=None)
    needed = settings.max_held_calls + settings.max_idle_connections + RESERVED
    assert all(limit >= needed for limit in SERVICES["api"]["ulimits"]["nofile"].values())


@pytest.mark.parametrize(
    ("secret", "services"),
    [
        ("API_KEYS", {"api"}),
        ("OPERATOR_KEYS", {"api"}),
        ("URL_SIGNING_KEYS", {"api", "webhook"}),
        ("WEBHOOK_SECRETS", {"api", "webhook"}),
        ("WEBHOOK_SECRETS_BY_KEY", {"api", "webhook"}),
        ("HF_TOKEN", {"generate"}),
        ("AWS_SECRET_ACCESS_KEY", {"api", "finish", "sweeper"}),
        ("FLOWER_BASIC_AUTH", {"flower"}),
        ("GF_SECURITY_ADMIN_PASSWORD", {"grafana"}),
    ],
)
def test_a_secret_is_only_where_it_is_used(secret, services):
    assert {name for name, service in SERVICES.items() if secret in service.get("environment", {})} == services


def test_images_name_their_version_and_their_commit():
    for name, images in (("api", 1), ("worker", 2)):
        text = (ROOT / f"Dockerfile.{name}").read_text()
        assert re.findall(r'image\.version="(.*?)"', text) == [VERSION]
        for line in (
            "ARG REVISION=",
            'LABEL org.opencontainers.image.revision="${REVISION}"',
            "ENV REVISION=${REVISION}",
        ):
            assert text.count(f"{line}\n") == text.count("org.opencontainers.image.title=") == images
    built = [service["build"]["args"] for service in SERVICES.values() if "build" in service]
    assert [args["REVISION"] for args in built] == ["${REVISION:-}"] * 2


def test_what_it_mounts_from_here_exists():
    mounted = [volume for service in SERVICES.values() for volume in service.get("volumes", []) if volume[0] == "."]
    assert mounted
    assert [volume for volume in mounted if not (ROOT / volume.partition(":")[0]).exists()] == []


@pytest.mark.parametrize("name", ["api", "worker"])
def test_every_user_may_read_the_code_whatever_the_modes_of_the_checkout(name):
    """A checkout of umask 077, and containers with a user of their own."""
    stages = re.split(r"^FROM .*$", (ROOT / f"Dockerfile.{name}").read_text(), flags=re.MULTILINE)
    copying = [stage for stage in stages if re.search(r"^COPY (api|shared|worker)", stage, re.MULTILINE)]
    assert ["\nRUN chmod -R a+rX .\n" in stage for stage in copying] == [True]
