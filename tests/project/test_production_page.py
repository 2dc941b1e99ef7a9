"""The page about production shows values that render, and names what they make."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from tests.harness.helm import Helm, find_helm, of_kind, pods
from tests.project.documents import blocks
from tests.project.tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE: Final = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")
JOB: Final = "outbox-worker/job"


@pytest.mark.slow
def test_the_values_of_the_page_make_what_its_commands_name(tmp_path: Path) -> None:
    (values,) = [yaml.safe_load(each.text) for each in blocks(PAGE) if each.language == "yaml"]
    objects = Helm(find_helm(tmp_path), tmp_path, release="events").render(values)
    named = set(re.findall(r"deploy(?:ment)?/(events[\w-]*)", PAGE))
    assert named == set(of_kind(objects, "Deployment"))
    labels = [pod["metadata"]["labels"] for _, pod in pods(objects)]
    jobs = {each[JOB] for each in labels if JOB in each}
    (rule,) = of_kind(objects, "PrometheusRule").values()
    assert set(re.findall(r'job="([^"]+)"', str(rule))) == jobs
    assert "(`RELEASE-outbox-worker-DATABASE`)" in PAGE
    assert jobs == {"events-outbox-worker-orders"}
    entry = values["databases"]["orders"]
    secrets = {each["name"] for key, each in entry.items() if key.endswith("Secret")}
    secrets.add(values["kafka"]["propertiesSecret"]["name"])
    assert set(re.findall(r"secret generic (\S+)", PAGE)) == secrets
