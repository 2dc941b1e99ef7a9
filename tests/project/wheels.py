"""The wheel of this tree, and an environment in which nothing else is installed."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.project.tree import ROOT, clean_environment, copy

if TYPE_CHECKING:
    from pathlib import Path

PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")


def run(*command: str | Path) -> str:
    """The standard output of a command that succeeds."""
    done = subprocess.run(
        list(map(str, command)),
        check=False,
        capture_output=True,
        text=True,
        env=clean_environment(),
        cwd="/",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build_wheel(directory: Path) -> Path:
    """A wheel built from a fresh copy of the project, with the pinned build tool."""
    source, target = copy(directory / "source"), directory / "wheel"
    run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
        *("--wheel-dir", target, source),
    )
    (built,) = target.glob("*.whl")
    return built


def install(wheel: Path, place: Path) -> Path:
    """The `bin` of a new environment with the wheel and what that asks for, nothing else."""
    run(sys.executable, "-m", "venv", place)
    run(place / "bin" / "python", *PIP, "-c", ROOT / "constraints.txt", wheel)
    return place / "bin"
