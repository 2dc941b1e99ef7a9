"""Two servers, the newer of which gets the older one's rows by logical replication."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Self

import psycopg

from outbox_worker.local.postgres import OLDER_FOLDER, PostgresServer, find_binaries
from tests.harness.databases import copy_owners, make_database, make_empty_database
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from types import TracebackType

PUBLISH: Final = (
    "CREATE PUBLICATION switchover FOR ALL TABLES WITH (publish_via_partition_root = true)"
)
SUBSCRIBE: Final = "CREATE SUBSCRIPTION switchover CONNECTION '{}' PUBLICATION switchover"
UNSUBSCRIBE: Final = "DROP SUBSCRIPTION switchover"
TABLES_NOT_COPIED: Final = "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'"
WHERE: Final = "SELECT pg_current_wal_lsn()"
HAS: Final = (
    "SELECT confirmed_flush_lsn >= %s FROM pg_replication_slots WHERE slot_name = 'switchover'"
)

READY_S: Final = 60.0


class BlueGreen:
    """A database on the old server, blue, and from `replicate` on its copy on green."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._stack = ExitStack()
        logical = {"wal_level": "logical"}
        # Of an older major version, as where somebody upgrades.
        self.blue = PostgresServer(binaries=find_binaries(OLDER_FOLDER), settings=logical)
        self.green = PostgresServer(settings=logical)

    def __enter__(self) -> Self:
        self._stack.enter_context(self.blue)
        self._stack.enter_context(self.green)
        # Roles belong to the cluster: they are there before the schema comes.
        make_database(self.green)
        self.old_url = self.blue.url(make_database(self.blue))
        copy_owners(self.blue, self.green)
        self.new_url = self.green.url(make_empty_database(self.green))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def replicate(self) -> None:
        """As docs/operations.md says; returns when every table was copied and the rest streams."""
        dump = subprocess.run(
            [self.blue.binary("pg_dump"), "--schema-only", "-d", self.old_url],
            check=True,
            stdout=subprocess.PIPE,
        ).stdout
        subprocess.run(
            [self.green.binary("psql"), "-q", "-v", "ON_ERROR_STOP=1", "-d", self.new_url],
            check=True,
            input=dump,
            stdout=subprocess.DEVNULL,
        )
        with psycopg.connect(self.old_url, autocommit=True) as link:
            link.execute(PUBLISH)
        with psycopg.connect(self.new_url, autocommit=True) as link:
            link.execute(SUBSCRIBE.format(self.old_url).encode())
            wait_until(
                lambda: link.execute(TABLES_NOT_COPIED).fetchone() == (0,),
                READY_S,
                "every table was copied",
            )

    def await_all(self) -> None:
        """Wait until green has what was committed on blue until now."""
        with psycopg.connect(self.old_url, autocommit=True) as link:
            row = link.execute(WHERE).fetchone()
            assert row is not None
            wait_until(
                lambda: link.execute(HAS, row).fetchone() == (True,), READY_S, "green has it all"
            )

    def switch(self) -> None:
        """Green has it all, and gets nothing more; blue stops."""
        self.await_all()
        with psycopg.connect(self.new_url, autocommit=True) as link:
            link.execute(UNSUBSCRIBE)
        self.blue.stop()
