"""Prometheus's own tool checks the rules: each alert fires where deploy/prometheus/rules_test.yml says so."""

import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[3] / "deploy"
RULES_TEST = DEPLOY / "prometheus" / "rules_test.yml"


@pytest.mark.promtool
@pytest.mark.parametrize(
    "what", [("test", "rules", RULES_TEST), ("check", "config", RULES_TEST.parent / "prometheus.yml")]
)
def test_prometheus_finds_the_rules_right(what):
    result = subprocess.run(["promtool", *what], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
