"""The person who is paged: what the alarm, `status` and `doctor` say, and the lines of the runbook.

The lines are those of docs/operations.md, so that page and test cannot part.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.harness.waiting import patient, wait_until
from tests.harness.workers import COMMAND, Metrics, environment
from tests.observing.deploy import alerts
from tests.project.documents import blocks
from tests.project.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.cli.conftest import CliCluster
    from tests.harness.workers import Worker

PAGE: Final = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
HEADING: Final = re.compile(r"^(#+) (.+)$", re.MULTILINE)
COMMENT: Final = re.compile(r"\s+# .*$", re.MULTILINE)
BY_JOB: Final = re.compile(
    r'(sum|max) by \(job\) \((\w+)(?:\{(\w+)="(\w+)"\})?\) ([<>]) (\d+)', re.ASCII
)
ABSENT: Final = re.compile(r"absent\((\w+)\)", re.ASCII)

SCRAPE_S: Final = 10.0
"""The time-out of a scrape, as Prometheus has it by default."""

ALARM_S: Final = 60.0
MEND_S: Final = 120.0


def section(heading: str) -> str:
    """What the page has below this heading, with what is below that."""
    found = next(each for each in HEADING.finditer(PAGE) if each[2] == heading)
    rest = PAGE[found.end() :]
    ends = (each.start() for each in HEADING.finditer(rest) if len(each[1]) <= len(found[1]))
    return rest[: next(ends, len(rest))]


def runbook(heading: str, language: str = "sh") -> list[str]:
    """The blocks of a language below a heading; those of the shell without comments."""
    found = [each.text for each in blocks(section(heading)) if each.language == language]
    return [COMMENT.sub("", each) for each in found] if language == "sh" else found


def fires(name: str, scrapes: list[Metrics]) -> bool:
    """Whether the expression of an alert is true for these answers to a scrape."""
    expression = alerts()[name]["expr"]
    if absent := ABSENT.fullmatch(expression):
        return not any(_values(each, absent[1], {}) for each in scrapes)
    found = BY_JOB.fullmatch(expression)
    assert found is not None, f"{name} asks for more than this test can: {expression}"
    fold, metric, label, value, sign, limit = found.groups()
    values = [
        one for each in scrapes for one in _values(each, metric, {label: value} if label else {})
    ]
    if not values:
        return False
    result = sum(values) if fold == "sum" else max(values)
    return result > int(limit) if sign == ">" else result < int(limit)


def _values(scrape: Metrics, name: str, labels: Mapping[str, str]) -> list[float]:
    return [
        each.value
        for each in scrape.samples
        if each.name == name and labels.items() <= each.labels.items()
    ]


def scrape(worker: Worker) -> Metrics:
    """What Prometheus gets of it: nothing where it does not answer in time."""
    try:
        with urllib.request.urlopen(
            f"http://{worker.http_address}/metrics", timeout=SCRAPE_S
        ) as answer:
            return Metrics(answer.read().decode())
    except OSError:
        return Metrics("")


@dataclass(frozen=True)
class Paged:
    """Somebody who knows the cluster's settings, the page, and nothing else."""

    cluster: CliCluster
    tools: Path | None = None
    """A folder with Kafka's own scripts."""

    def hears(self, alert: str, *workers: Worker) -> None:
        """The alert is true for what the workers show now; its `for` has yet to pass."""
        wait_until(lambda: fires(alert, [scrape(each) for each in workers]), ALARM_S, alert)
        runs = alerts()[alert]["annotations"]["runbook"]
        assert runs == f"docs/operations.md#{alert.lower()}"

    def sees(self, state: str, *words: str) -> None:
        """`status` ends with 1, and names this state and these words."""

        def named() -> bool:
            done = self.cluster.command("status")
            return done.returncode == 1 and all(each in done.stdout for each in (state, *words))

        wait_until(named, ALARM_S, f"status says {state} and {words}")

    def is_told(self, check: str) -> Mapping[str, Any]:
        """The check with which `doctor` says to begin, which fails; its line comes first."""
        found: dict[str, Any] = {}

        def first() -> bool:
            found.update(json.loads(self.cluster.command("doctor", "--json").stdout))
            return bool(found["first"] == check)

        try:
            wait_until(first, ALARM_S, f"doctor says to begin with {check}")
        except AssertionError as error:
            raise AssertionError(self.cluster.command("doctor").stdout) from error
        (one,) = (each for each in found["checks"] if each["name"] == check)
        assert (found["verdict"], one["level"]) == ("fail", "fail"), one
        done = self.cluster.command("doctor")
        assert done.returncode == 1
        assert check in done.stdout.partition("\n\n")[0]
        assert isinstance(one, dict)
        return one

    def finds(self, check: str) -> Mapping[str, Any]:
        """What one check of `doctor` says now."""
        found = json.loads(self.cluster.command("doctor", "--json").stdout)
        (one,) = (each for each in found["checks"] if each["name"] == check)
        assert isinstance(one, dict)
        return one

    def runs(self, heading: str, places: Mapping[str, str] = {}, part: int = 0) -> str:
        """Run a block of the runbook to its end; returns what it printed.

        `places` is what the person fills in for words in capitals. A worker that the block
        starts in the background is one of the cluster's.
        """
        text = runbook(heading)[part]
        for place, value in places.items():
            assert place in text, f"{heading} has no {place}"
            text = text.replace(place, value)
        printed = []
        for chunk in re.split(r"^(outbox-worker run &)$\n?", text, flags=re.MULTILINE):
            if chunk == "outbox-worker run &":
                self.cluster.worker()
            elif chunk.strip():
                printed.append(self._run(chunk))
        return "".join(printed)

    def _run(self, text: str) -> str:
        path = [str(Path(COMMAND).parent), *([str(self.tools)] if self.tools else [])]
        given = environment(self.cluster.settings)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            check=False,
            env={**given, "PATH": os.pathsep.join([*path, given["PATH"]])},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=patient(MEND_S),
        )
        assert done.returncode == 0, f"{text} ended with {done.returncode}: {done.stdout}"
        return done.stdout

    def is_done(self) -> None:
        """All is well: for `status`, and for `doctor`, which may still warn."""
        wait_until(lambda: self.cluster.command("status").returncode == 0, MEND_S, "status is 0")
        said: list[str] = []

        def well() -> bool:
            done = self.cluster.command("doctor")
            said[:] = [done.stdout]
            return done.returncode == 0

        try:
            wait_until(well, ALARM_S, "doctor finds nothing that fails")
        except AssertionError as error:
            raise AssertionError("".join(said)) from error
