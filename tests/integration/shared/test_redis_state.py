"""Dangerous settings of a real server are said, each once, with the command that mends it."""

import pytest
import redis
import structlog

from shared import redis_state
from shared.redis_state import MENDED_BY, Watch


@pytest.fixture
def said(own_valkey):
    """Runs commands on the server, looks at it again, and returns the events with their settings."""
    with own_valkey.client() as client, own_valkey.client() as admin:
        admin.config_set("maxmemory", 2**30)
        watch = Watch(client)

        def look(*command):
            if command:
                admin.execute_command(*command)
            with structlog.testing.capture_logs() as logs:
                watch.look()
            return {(entry["event"], entry["setting"], entry["log_level"]) for entry in logs}

        yield look


def test_each_danger_is_said_once_until_it_is_mended(said):
    assert said() == set()
    assert said("CONFIG", "SET", "maxmemory-policy", "allkeys-lru") == {
        ("redis.dangerous", "maxmemory-policy", "critical")
    }
    assert said() == set()
    assert said("CONFIG", "SET", "maxmemory", "0") == {("redis.dangerous", "maxmemory", "warning")}
    assert said("CONFIG", "SET", "appendonly", "no") == {("redis.dangerous", "appendonly", "warning")}
    assert said("REPLICAOF", "127.0.0.1", "1") == {("redis.dangerous", "replicaof", "critical")}
    # The commands that the hints name.
    for name in ("maxmemory-policy", "appendonly", "maxmemory", "replicaof"):
        assert said(*MENDED_BY[name].partition(" (")[0].partition(",")[0].split()) == {("redis.mended", name, "info")}
    assert said() == set()


def test_config_may_be_forbidden_and_info_is_missed(said, own_valkey):
    with own_valkey.client() as client:
        client.acl_setuser("hosted", enabled=True, nopass=True, keys=["*"], categories=["+@all"], commands=["-config"])
        with redis.Redis(port=own_valkey.port, username="hosted", password="any") as hosted:
            hosted_watch = Watch(hosted)
            with structlog.testing.capture_logs() as logs:
                hosted_watch.look()
                assert logs == []
                client.acl_setuser("hosted", commands=["-info"])
                hosted_watch.look()
                hosted_watch.look()
    assert [(entry["event"], entry["setting"]) for entry in logs] == [("redis.dangerous", "info")]


async def test_the_api_says_them_at_its_start(serve, client):
    client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with structlog.testing.capture_logs() as logs:
            async with serve():
                pass
    finally:
        client.config_set("maxmemory-policy", "noeviction")
    assert [entry["setting"] for entry in logs if entry["event"] == "redis.dangerous"] == ["maxmemory-policy"]


def test_what_is_not_reported_is_no_danger():
    assert redis_state.dangers({}) == {}
