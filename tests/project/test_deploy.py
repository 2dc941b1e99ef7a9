"""Dashboard, alerts and their tests name metrics, runbooks and files that there are."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import yaml

from tests.observing.deploy import DASHBOARD, PROMETHEUS, RULES, alerts, queries
from tests.project.tree import ROOT

HANDBOOK: Final = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
CHAPTER: Final = HANDBOOK.partition("## Metrics and health")[2].partition("\n## ")[0]
"""It has the metrics of a worker, and no others: tests/exactly_once/test_metrics.py."""

ROW: Final = re.compile(r"^\| (`[a-z_]+`(?:, `[a-z_]+`)*) \| (\w+)", re.MULTILINE)
METRIC: Final = re.compile(r"\b(?:outbox|process|huleedu|slot|batches)_[a-z_]+\b")
SUFFIXES: Final = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_count", "_sum"),
}


def shown() -> set[str]:
    """The names of time series, as a scrape has them."""
    found = set[str]()
    for names, kind in ROW.findall(CHAPTER):
        for name in re.findall(r"`(\w+)`", names):
            found |= {f"{name}{suffix}" for suffix in SUFFIXES.get(kind.rstrip("s"), ("",))}
    return found


def test_every_metric_of_the_dashboard_is_one_of_a_worker() -> None:
    asked = list(queries())
    assert len(asked) > 30
    named = {name for _, query in asked for name in METRIC.findall(query)}
    assert len(named) > 25
    assert named - shown() == set()
    assert [query for _, query in asked if not METRIC.search(query)] == []


def test_every_metric_of_an_alert_is_one_of_a_worker() -> None:
    named = {name for each in alerts().values() for name in METRIC.findall(each["expr"])}
    assert named - shown() == set()


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    section = HANDBOOK.partition("\n## Alerts\n")[2].partition("\n## ")[0]
    headings = re.findall(r"^### (\w+)$", section, re.MULTILINE)
    assert headings == list(alerts())
    for name, each in alerts().items():
        assert each["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}"
        assert each["labels"]["severity"] in {"page", "ticket"}
        assert each["annotations"]["summary"]


def test_every_alert_is_seen_to_fire_and_not_to_fire() -> None:
    text = (PROMETHEUS / "outbox.rules.test.yml").read_text(encoding="utf-8")
    quiet, *others = yaml.safe_load(text)["tests"]
    silent = {each["alertname"] for each in quiet["alert_rule_test"] if not each["exp_alerts"]}
    firing = {
        each["alertname"]
        for test in others
        for each in test.get("alert_rule_test", ())
        if each["exp_alerts"]
    }
    for test in others:
        for each in test.get("promql_expr_test", ()):
            firing |= set(re.findall(r'alertname="(\w+)"', each["expr"]))
    assert silent == firing == set(alerts())


def test_the_files_that_compose_gives_prometheus_and_grafana_are_there() -> None:
    services: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for name in ("prometheus", "grafana"):
        for volume in services[name]["volumes"]:
            source, _, target = volume.partition(":")
            assert source.startswith("./deploy/") is (ROOT / source).exists(), volume
            assert target.startswith("/")
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    (rules,) = config["rule_files"]
    mounted = {each.split(":")[1]: each.split(":")[0] for each in services["prometheus"]["volumes"]}
    assert ROOT / mounted[rules] == RULES
    (job,) = config["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    assert found["names"] == ["worker"]


def test_the_dashboard_asks_the_provisioned_source() -> None:
    folder = ROOT / "deploy" / "grafana" / "provisioning" / "datasources"
    (source,) = yaml.safe_load((folder / "prometheus.yml").read_text())["datasources"]
    text = DASHBOARD.read_text(encoding="utf-8")
    assert set(re.findall(r'"uid": "(\w+)"', text)) == {source["uid"]}
    panels = json.loads(text)["panels"]
    assert len({each["id"] for each in panels}) == len(panels)
