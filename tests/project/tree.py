"""The files of the project as the tests of this folder see them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PRODUCT: Final = ("outbox_worker", "domain", "sql")
"""The folders of what is installed."""
INSTALLED: Final = ("outbox_worker", "outbox_school")
"""The packages that are installed."""


def files(*suffixes: str) -> tuple[Path, ...]:
    """Every file that belongs to the project (tracked, or new and not ignored).

    With suffixes, only the files whose names end in one of them.
    """
    return tuple(
        path for path in _listed() if path.is_file() and (not suffixes or ends(path, suffixes))
    )


def _listed() -> list[Path]:
    """Every path that git knows or would add; links too, wherever they lead."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return sorted(ROOT / name for name in listing.split("\0") if name)


def ends(path: Path, suffixes: tuple[str, ...]) -> bool:
    """Whether the name of the file ends in one of the suffixes."""
    return path.name.endswith(suffixes)


def name(path: Path) -> str:
    """The path as the project says it."""
    return path.relative_to(ROOT).as_posix()


def copy(target: Path) -> Path:
    """A fresh copy of the project, as a clone would give it; returns `target`."""
    for path in _listed():
        if path.is_file() or path.is_symlink():
            copied = target / path.relative_to(ROOT)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copied, follow_symlinks=False)
    return target


def clean_environment(**more: str) -> dict[str, str]:
    """The environment of somebody who just opened a shell: nothing of this test run in it."""
    ours = ("OUTBOX_", "PYTEST_", "MAKE", "MFLAGS", "VIRTUAL_ENV")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return inherited | more
