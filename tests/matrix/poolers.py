"""The machine's PgBouncer, and those of newer Debian releases with their own libraries.

The package and the libraries that it needs come through apt, with lists and a cache of their
own: nothing is installed. They are unpacked into a folder, and run from there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.harness import pooler
from tests.harness.workers import ROOT
from tests.matrix.servers import Binaries

SOURCES: Final = Path("/etc/apt/sources.list.d/debian.sources")
"""Where the machine says which mirror of Debian it uses, and by whose key."""

SUITES: Final = ("stable", "unstable")
FILES: Final = ("tests/cli/test_pooler.py", "tests/sql/test_pooled_writers.py")
PACKAGE: Final = "pgbouncer"
UPDATE_S: Final = 300.0

RUN: Final = """#!/bin/sh
exec '{root}/usr/lib64/ld-linux-x86-64.so.2' --library-path '{libraries}' '{program}' "$@"
"""


class CannotBeHadError(Exception):
    """Why there is no such PgBouncer on the machine, in words for the table."""


def poolers() -> list[Binaries]:
    """Each PgBouncer, also those not to be had; `path` is the program."""
    own = Binaries("the machine", Path(pooler.find_pgbouncer()))
    return [own, *(_of_debian(suite) for suite in SUITES)]


def version(program: Path) -> str:
    """What it calls itself, as `PgBouncer 1.24.1`."""
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    return said.stdout.splitlines()[0]


def run_tests(program: Path, folder: Path) -> str:
    """The last line of the tests of poolers, run with this one.

    `AssertionError` where one fails, with that line.
    """
    log = folder / "tests.log"
    with log.open("wb") as output:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *FILES],
            cwd=ROOT,
            check=False,
            env={**os.environ, "OUTBOX_TEST_PGBOUNCER": str(program)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    last = log.read_text().splitlines()[-1]
    assert done.returncode == 0, last
    return last.partition(" in ")[0]


def _of_debian(suite: str) -> Binaries:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    place = Path(home) / "outbox-worker" / f"{PACKAGE}-{suite}"
    try:
        return Binaries(f"Debian {suite}", _unpack(suite, place))
    except CannotBeHadError as error:
        return Binaries(f"Debian {suite}", None, str(error))


def _unpack(suite: str, place: Path) -> Path:
    """The program of this release, made anew in `place`."""
    if not SOURCES.is_file() or shutil.which("dpkg-deb") is None:
        raise CannotBeHadError("the machine is no Debian")
    apt = _Apt(suite, place)
    apt.run("apt-get", "-qq", "update")
    planned = apt.run("apt-get", "--simulate", "install", PACKAGE).splitlines()
    names = [line.split()[1] for line in planned if line.startswith("Inst ")]
    # Programs and settings of other packages would say nothing: only libraries are needed.
    wanted = [PACKAGE, *(name for name in names if name.startswith("lib"))]
    debs, root = place / "debs", place / "root"
    for folder in (debs, root):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    apt.run("apt-get", "-qq", "download", *wanted, folder=debs)
    for deb in debs.glob("*.deb"):
        _call(["dpkg-deb", "--extract", str(deb), str(root)], place)
    program = root / "pgbouncer"
    program.write_text(
        RUN.format(
            root=root,
            libraries=root / "usr/lib/x86_64-linux-gnu",
            program=root / "usr/sbin/pgbouncer",
        )
    )
    program.chmod(0o755)
    return program


class _Apt:
    """apt for one release, which knows nothing of what is installed and changes none of it."""

    def __init__(self, suite: str, place: Path) -> None:
        for folder in ("lists/partial", "cache/archives/partial", "sources"):
            (place / folder).mkdir(parents=True, exist_ok=True)
        (place / "status").touch()
        first = SOURCES.read_text().split("\n\n")[0].splitlines()
        kept = [line for line in first if line.startswith(("Types:", "URIs:", "Signed-By:"))]
        text = "\n".join([*kept, f"Suites: {suite}", "Components: main", ""])
        (place / "sources" / "suite.sources").write_text(text)
        self._place = place
        self._options = {
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::Etc::SourceParts": place / "sources",
            "Dir::State::Lists": place / "lists",
            "Dir::State::status": place / "status",
            "Dir::Cache": place / "cache",
            "Acquire::Languages": "none",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "",
        }

    def run(self, program: str, *arguments: str, folder: Path | None = None) -> str:
        options = [f"-o{name}={value}" for name, value in self._options.items()]
        return _call([program, *options, *arguments], folder or self._place)


def _call(order: list[str], folder: Path) -> str:
    try:
        return subprocess.run(
            order, cwd=folder, check=True, capture_output=True, text=True, timeout=UPDATE_S
        ).stdout
    except subprocess.CalledProcessError as error:
        raise CannotBeHadError(f"{order[0]} says: {error.stderr.strip()[-200:]}") from error
    except subprocess.TimeoutExpired as error:
        raise CannotBeHadError(f"{order[0]} took longer than {UPDATE_S:.0f} s") from error
