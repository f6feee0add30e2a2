"""Prometheus's rules, Grafana's dashboard and KEDA's query use existing metrics and their labels."""

import json
import re
from pathlib import Path

import pytest
import yaml
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from shared.observability import metrics

DEPLOY = Path(__file__).parents[3] / "deploy"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "logo.json"
RULES = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())
RULES_TEST = DEPLOY / "prometheus" / "rules_test.yml"
SCRAPED = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
PANELS = json.loads(DASHBOARD.read_text())["panels"]
TARGETS = [(panel, target) for panel in PANELS for target in panel["targets"]]
(SCALED,) = [
    document
    for document in yaml.safe_load_all((DEPLOY / "kubernetes" / "generate.yaml").read_text())
    if document["kind"] == "ScaledObject"
]
KNOWN = {definition.name: set(definition.labels) for definition in metrics.ALL}
RECORDED = {rule["record"] for group in RULES["groups"] for rule in group["rules"] if "record" in rule}
QUERIES = [
    *(rule["expr"] for group in RULES["groups"] for rule in group["rules"]),
    *(target["expr"] for _, target in TARGETS),
    *(trigger["metadata"]["query"] for trigger in SCALED["spec"]["triggers"]),
]
# Labels that Prometheus itself adds to each series.
ADDED = {"job", "instance"}


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_what_exists(query):
    labels = set()
    for name, selector in re.findall(r"\b(logo[_:][a-z_:]+)(?:\{([^}]*)\})?", query):
        if name in RECORDED:
            continue
        base = name if name in KNOWN else re.sub(r"_(bucket|sum|count)$", "", name)
        assert base in KNOWN
        assert set(re.findall(r"(\w+)\s*[=!]", selector)) <= KNOWN[base] | {"le"}
        labels |= KNOWN[base] | {"le"} | ADDED
    if "ALERTS" not in query:
        assert {name for names in re.findall(r"\bby \(([^)]*)\)", query) for name in names.split(", ")} <= labels
    jobs = {name for names in re.findall(r'\bjob=~?"([^"]*)"', query) for name in names.split("|")}
    assert jobs <= {scraped["job_name"] for scraped in SCRAPED}


@pytest.mark.parametrize(("panel", "target"), TARGETS)
def test_a_panel_has_the_unit_and_the_labels_of_its_queries(panel, target):
    (metric, *_) = re.findall(r"\blogo[_:][a-z_:]+|ALERTS", target["expr"])
    ends = {"_seconds": "s", "_seconds_bucket": "s", "_bytes": "bytes", "_ratio": "percentunit"}
    unit = next((unit for end, unit in ends.items() if metric.endswith(end)), None)
    assert panel["fieldConfig"]["defaults"]["unit"] in ({unit} if unit else {"none", "reqps"})
    kept = {name for names in re.findall(r"\bby \(([^)]*)\)", target["expr"]) for name in names.split(", ")}
    assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= kept


def test_what_is_scraped_is_what_runs():
    services = yaml.safe_load((DEPLOY.parent / "docker-compose.yml").read_text())["services"]
    for scraped in SCRAPED:
        (places,) = [scraped[kind] for kind in ("dns_sd_configs", "static_configs") if kind in scraped]
        (names,) = [place.get("names") or [t.partition(":")[0] for t in place["targets"]] for place in places]
        assert set(names) <= set(services)


def test_each_alert_is_shown_to_fire():
    tests = yaml.safe_load(RULES_TEST.read_text())["tests"]
    fired = {case["alertname"] for test in tests for case in test.get("alert_rule_test", []) if "exp_alerts" in case}
    assert fired == {rule["alert"] for group in RULES["groups"] for rule in group["rules"] if "alert" in rule}


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
