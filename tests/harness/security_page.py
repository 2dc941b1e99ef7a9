"""The blocks of SECURITY.md, with names of this machine in place of the page's."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Final

from tests.project.documents import Block, blocks
from tests.project.tree import ROOT, clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TEXT: Final = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
SECTION: Final = re.compile(r"^##+ (.*)$", re.MULTILINE)
RUN_S: Final = 300.0


def section(title: str) -> tuple[Block, ...]:
    """The blocks below a heading, up to the next one."""
    titles = [*SECTION.finditer(TEXT)]
    (number,) = (n for n, found in enumerate(titles) if found[1] == title)
    end = titles[number + 1].start() if number + 1 < len(titles) else len(TEXT)
    return blocks(TEXT[titles[number].end() : end])


def filled(text: str, names: Mapping[str, str]) -> str:
    """The text with other names; each of them must be there."""
    for name, ours in names.items():
        assert name in text, f"{name} is not in:\n{text}"
        text = text.replace(name, ours)
    return text


def properties(text: str) -> dict[str, str]:
    """The lines of a properties file."""
    return dict(line.split("=", 1) for line in text.splitlines())


def run(text: str, folder: Path, path: str) -> str:
    """What a block prints that bash runs in a folder; the test fails where it does."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        check=False,
        cwd=folder,
        env=clean_environment(PATH=path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def exported(text: str, folder: Path, path: str) -> dict[str, str]:
    """The OUTBOX_ variables that a block exports, by the name of the setting."""
    lines = run(f"{text}\nenv -0", folder, path).split("\0")
    pairs = (line.split("=", 1) for line in lines if line.startswith("OUTBOX_"))
    return {name.removeprefix("OUTBOX_").lower(): value for name, value in pairs}
