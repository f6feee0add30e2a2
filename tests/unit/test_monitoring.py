"""Prometheus's rules and Grafana's dashboard use metrics that exist, with labels that they have."""

import json
import re
from pathlib import Path

import pytest
import yaml
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from shared import metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "logo.json"
RULES = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())
KNOWN = {definition.name: set(definition.labels) for definition in metrics.ALL}
RECORDED = {rule["record"] for group in RULES["groups"] for rule in group["rules"] if "record" in rule}
QUERIES = [
    *(rule["expr"] for group in RULES["groups"] for rule in group["rules"]),
    *(target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel["targets"]),
]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_what_exists(query):
    for name, selector in re.findall(r"\b(logo[_:][a-z_:]+)(?:\{([^}]*)\})?", query):
        if name in RECORDED:
            continue
        base = name if name in KNOWN else re.sub(r"_(bucket|sum|count)$", "", name)
        assert base in KNOWN
        assert set(re.findall(r"(\w+)\s*[=!]", selector)) <= KNOWN[base] | {"le"}


def test_every_metric_of_ours_is_looked_at():
    assert [name for name in KNOWN if not any(name in query for query in QUERIES)] == []


def test_the_dashboard_is_one_that_grafana_knows():
    register_default_plugins()
    dashboard = Dashboard.from_json(json.loads(DASHBOARD.read_text()))
    assert dashboard.uid == "logo"
    assert [panel.title for panel in dashboard.panels if not panel.targets] == []
    assert all(target.expr and target.ref_id for panel in dashboard.panels for target in panel.targets)
    places = [(panel.grid_pos.x, panel.grid_pos.y) for panel in dashboard.panels]
    assert len(set(places)) == len(places)
    sources = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert {panel.datasource.uid for panel in dashboard.panels} == {source["uid"] for source in sources}
