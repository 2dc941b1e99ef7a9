"""What stands in `deploy/`: alerts, and queries of the dashboard."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import yaml

from tests.project.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PROMETHEUS: Final = ROOT / "deploy" / "prometheus"
RULES: Final = PROMETHEUS / "outbox.rules.yml"
DASHBOARD: Final = ROOT / "deploy" / "grafana" / "dashboards" / "outbox.json"


def alerts() -> dict[str, dict[str, Any]]:
    """By name each alert of the rules."""
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return {each["alert"]: each for each in group["rules"]}


def queries() -> Iterator[tuple[str, str]]:
    """Each query of the dashboard, with the title of its panel."""
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
