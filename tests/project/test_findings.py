"""The scripts in findings/ are listed, parse, and are pinned; CI does not run them."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.project.documents import links
from tests.project.tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ROOT / "findings"
SCRIPTS = sorted(FOLDER.glob("*.sh"))
NAMES = [path.name for path in SCRIPTS]


def test_the_page_lists_every_finding_once() -> None:
    listed = [link for link in links((FOLDER / "README.md").read_text()) if link.endswith(".sh")]
    assert sorted(listed) == NAMES


@pytest.mark.parametrize("script", SCRIPTS, ids=NAMES)
def test_a_finding_can_be_started_and_parses(script: Path) -> None:
    assert script.stat().st_mode & 0o111 == 0o111
    done = subprocess.run(
        ["bash", "-n", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("script", SCRIPTS, ids=NAMES)
def test_a_finding_says_what_it_is_about_and_how_it_ends(script: Path) -> None:
    text = script.read_text()
    head = text.partition("\nset -euo pipefail")[0]
    wanted = ("# Head version: ", "# Valid input: ", "# Expected", "# Seen: ", "# Exit code: 0 ")
    assert [word for word in wanted if word not in head] == []
    assert re.search(r'echo "CHANGED: .*"; exit 1; }', text)


@pytest.mark.parametrize("script", SCRIPTS, ids=NAMES)
def test_a_finding_runs_without_this_project(script: Path) -> None:
    assert not re.search(r"outbox|\$\(dirname|BASH_SOURCE", script.read_text())


@pytest.mark.parametrize("script", SCRIPTS, ids=NAMES)
def test_a_finding_installs_pinned_packages(script: Path) -> None:
    installs = re.findall(r"pip install ((?:.*\\\n)*.*)$", script.read_text(), re.MULTILINE)
    words = [word for line in installs for word in line.split() if word not in {"\\", "-q"}]
    packages = [word for word in words if not word.startswith("-")]
    assert [package for package in packages if "==" not in package] == []
