"""The worker as of another commit, installed beside this one."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from bench.report import RESULTS

ROOT: Final = Path(__file__).parents[1]
KEPT: Final = RESULTS / "versions"
"""Each commit's environment, so that the next run has it."""


@dataclass(frozen=True, slots=True)
class Version:
    """A worker's installed command, and what the report calls it."""

    name: str
    command: str


HERE: Final = Version("here", str(Path(sys.executable).parent / "outbox-worker"))


def prepare(commit: str) -> Version:
    """The version of a commit, installed with the packages of its own constraints.txt.

    `click.ClickException` with the words of git or pip where that fails.
    """
    found = _run("git", "rev-parse", "--short=10", f"{commit}^{{commit}}").strip()
    place = KEPT / found
    command = place / "venv" / "bin" / "outbox-worker"
    if not command.exists():
        shutil.rmtree(place, ignore_errors=True)
        tree = place / "tree"
        tree.mkdir(parents=True)
        _run("git", "archive", "--output", str(place / "tree.tar"), found)
        shutil.unpack_archive(place / "tree.tar", tree, filter="data")
        venv.create(place / "venv", with_pip=True)
        pip = (str(place / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet")
        given = ("--disable-pip-version-check", "-c", str(tree / "constraints.txt"))
        _run(*pip, *given, "hatchling", "editables")
        _run(*pip, *given, "--no-build-isolation", str(tree))
        # Checkers would look into it.
        shutil.rmtree(tree)
    return Version(commit, str(command))


def _run(*order: str) -> str:
    done = subprocess.run(order, cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode:
        raise click.ClickException(f"{' '.join(order)}: {done.stderr.strip()}")
    return done.stdout
