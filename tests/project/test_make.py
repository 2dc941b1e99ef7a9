"""`make` and `.ci/run`: the targets are named, and what is missing is said at once."""

from __future__ import annotations

import os
import re
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.project.tree import ROOT, clean_environment, copy

if TYPE_CHECKING:
    from pathlib import Path

TARGETS = frozenset(
    {"help", "setup", "demo", "test", "check", "format", "contracts", "bench", "soak", "hangs"}
    | {
        "letters",
        "model",
        "races",
        "drivers",
        "matrix",
        "migration",
        "upgrade",
        "sbom",
        "audit",
        "clean",
    }
)
# All that the Makefile and .ci/run need before there is an environment.
TOOLS = (
    "awk",
    "bash",
    "cat",
    "dirname",
    "env",
    "make",
    "sed",
    "sh",
    "tail",
    "timeout",
    "touch",
    "uname",
)


@pytest.fixture
def bare_machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine with a shell and make: no Python, no Java, no Docker."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for tool in TOOLS:
        found = subprocess.run(["which", tool], check=True, capture_output=True, text=True)
        (programs / tool).symlink_to(found.stdout.strip())
    return clean_environment() | {"PATH": str(programs)}


def run(
    command: list[str], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run it to its end, with nothing to read from."""
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def test_make_alone_names_every_target_and_what_it_does() -> None:
    said = run(["make"], ROOT, clean_environment()).stdout
    lines = dict(re.findall(r"^  make (\w+) +(\S.*)$", said, re.MULTILINE))
    assert set(lines) == TARGETS
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    assert set(phony[1].split()) == TARGETS


@pytest.mark.parametrize("changed", [None, "pyproject.toml", "constraints.txt"])
def test_setup_is_repeated_only_when_what_it_installs_has_changed(
    tmp_path: Path, changed: str | None
) -> None:
    clone = copy(tmp_path)
    stamp = clone / ".venv" / ".installed"
    stamp.parent.mkdir()
    stamp.touch()
    os.utime(stamp, (time.time() + 60,) * 2)
    if changed:
        os.utime(clone / changed, (time.time() + 120,) * 2)
    done = run(["make", "--question", "setup"], clone, clean_environment())
    assert done.returncode == (1 if changed else 0)


def test_setup_without_python_names_what_to_install(
    tmp_path: Path, bare_machine: dict[str, str]
) -> None:
    done = run(["make", "setup"], copy(tmp_path / "clone"), bare_machine)
    assert done.returncode != 0
    assert "no Python 3.11 or newer" in done.stderr
    assert "apt-get install python3 python3-venv" in done.stderr


def test_setup_passes_over_a_python_that_is_too_old(
    tmp_path: Path, bare_machine: dict[str, str]
) -> None:
    old = tmp_path / "bin" / "python3"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)
    done = run(["make", "setup"], copy(tmp_path / "clone"), bare_machine)
    assert "no Python 3.11 or newer" in done.stderr


def install_java(folder: Path, version: str) -> None:
    java = folder / "java"
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n", encoding="utf-8")
    java.chmod(0o755)


def install_servers(folder: Path, machine: dict[str, str], java: str) -> dict[str, str]:
    """Put there what CI looks for before it begins; returns the machine with it."""
    install_java(folder, java)
    for name in ("mvn", "prometheus", "promtool"):
        (folder / name).symlink_to("/bin/sh")
    return machine | {"OUTBOX_TEST_PGBOUNCER": "/bin/sh"}


@pytest.mark.parametrize("installed", ["17.0.15", "25-ea"])
def test_ci_begins_where_it_can_run_kafka(
    tmp_path: Path, bare_machine: dict[str, str], installed: str
) -> None:
    machine = install_servers(tmp_path / "bin", bare_machine, installed)
    done = run(["bash", ".ci/run"], copy(tmp_path / "clone"), machine)
    assert "== make setup: failed" in done.stdout, "there is no Python"


@pytest.mark.parametrize("installed", ["", "1.8.0_442", "11.0.2", "17.0.15"])
def test_ci_without_a_way_to_run_kafka_says_so_before_it_begins(
    tmp_path: Path, bare_machine: dict[str, str], installed: str
) -> None:
    """Java without Maven, or one that is too old, cannot run it; no Docker can be killed in."""
    if installed:
        install_java(tmp_path / "bin", installed)
    if not installed.startswith("17"):
        (tmp_path / "bin" / "mvn").symlink_to("/bin/sh")
    (tmp_path / "bin" / "docker").symlink_to("/bin/sh")
    given = bare_machine | {"OUTBOX_LOCAL_KAFKA": "127.0.0.1:9092"}
    done = run(["bash", ".ci/run"], copy(tmp_path / "clone"), given)
    assert done.returncode == 2
    assert "Java 17 or newer with Maven" in done.stderr
    assert "start their own" in done.stderr
    assert "apt-get install openjdk-17" in done.stderr
    assert "==" not in done.stdout, "no step was begun"


def test_ci_does_not_outlast_forty_five_minutes() -> None:
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (budget,) = map(int, re.findall(r"^budget=(\d+)$", text, re.MULTILINE))
    (kill_after,) = map(int, re.findall(r"--kill-after=(\d+) ", text))
    assert budget + kill_after < 45 * 60
    assert re.findall(r"^step (.*)$", text, re.MULTILINE) == [
        "make setup",
        "make check",
        "make test",
    ]


def test_ci_gives_a_step_no_more_than_is_left_of_its_time(
    tmp_path: Path, bare_machine: dict[str, str]
) -> None:
    machine = install_servers(tmp_path / "bin", bare_machine, "17.0.15")
    clone = copy(tmp_path / "clone")
    script = clone / ".ci" / "run"
    text = script.read_text(encoding="utf-8")
    script.write_text(re.sub(r"(?m)^budget=\d+$", "budget=-1", text), encoding="utf-8")
    (clone / "Makefile").write_text("setup:\n\t@tail -f /dev/null\n", encoding="utf-8")
    done = run(["bash", ".ci/run"], clone, machine)
    assert done.returncode == 124
    assert "make setup took longer than the 1 s that were left" in done.stderr
    assert "== make check" not in done.stdout


@pytest.mark.parametrize("script", [".ci/run", ".ci/upgrade", ".ci/lock", ".ci/sbom", ".ci/audit"])
def test_scripts_are_executable_and_parse(script: str) -> None:
    assert (ROOT / script).stat().st_mode & 0o111
    assert run(["bash", "-n", script], ROOT, clean_environment()).returncode == 0
