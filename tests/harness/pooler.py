"""A PgBouncer between a test and Postgres."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING, Final, Literal, Self

from psycopg import conninfo

from outbox_worker.local.ports import HOST, free_port, listens, wait_until_ready
from tests.harness.waiting import patient

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

Mode = Literal["session", "transaction", "statement"]

SYSTEM_PATH: Final = "/usr/sbin:/usr/local/sbin"
"""Where Debian has it, which is on the path of root alone."""

CARRIES_PREPARED: Final = (1, 24)
"""From here on max_prepared_statements is not 0 as it comes."""

START_S: Final = 10.0
END_S: Final = 5.0

CONFIGURATION: Final = """
[databases]
* = host={host} port={server} user=postgres
[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
server_round_robin = {round_robin}
"""


def find_pgbouncer() -> str:
    """The program: what OUTBOX_TEST_PGBOUNCER names, or the machine's."""
    named = os.environ.get("OUTBOX_TEST_PGBOUNCER")
    found = named or shutil.which("pgbouncer") or shutil.which("pgbouncer", path=SYSTEM_PATH)
    if found is None:
        raise RuntimeError(
            "No PgBouncer on this machine. Debian, Ubuntu: apt-get install pgbouncer; "
            "or name one in OUTBOX_TEST_PGBOUNCER"
        )
    return found


def version() -> tuple[int, ...]:
    """The version of the program, as (1, 24, 1)."""
    said = subprocess.run(
        [find_pgbouncer(), "--version"], check=True, capture_output=True, text=True
    ).stdout
    return tuple(int(part) for part in said.split()[1].split("."))


def carries_prepared() -> bool:
    """Whether its defaults let a client prepare statements that any session then has."""
    return version() >= CARRIES_PREPARED


class Pooler:
    """One PgBouncer with its defaults but for its mode. A context manager: it ends with it."""

    def __init__(
        self, url: str, folder: Path, mode: Mode, *, size: int = 20, round_robin: bool = False
    ) -> None:
        """Stand before the server of `url`, with `size` sessions of it for each database."""
        self.port = free_port()
        self._url = url
        self._file = folder / f"pgbouncer-{self.port}.ini"
        self._file.write_text(
            CONFIGURATION.format(
                host=HOST,
                server=conninfo.conninfo_to_dict(url)["port"],
                port=self.port,
                mode=mode,
                size=size,
                round_robin=int(round_robin),
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        # It refuses to be root.
        account = ["-u", "nobody"] if os.geteuid() == 0 else []
        self._process = subprocess.Popen(
            [find_pgbouncer(), *account, str(self._file)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if not wait_until_ready(lambda: listens(self.port), patient(START_S)):
            self.__exit__(None, None, None)
            raise RuntimeError("PgBouncer does not listen")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            # At once: what is connected is cut off.
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    @property
    def url(self) -> str:
        """The URL of the same database by way of the pooler."""
        return conninfo.make_conninfo(self._url, host=HOST, port=self.port)
