"""What docs/operations.md says of advisory locks: open to every login, until they are reserved."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from tests.project.tree import ROOT
from tests.security.conftest import logged_in

if TYPE_CHECKING:
    from outbox_worker.stores import Connection

TAKE: Final = "SELECT pg_try_advisory_lock(hashtextextended('outbox command k', 0))"
ADD: Final = "SELECT outbox.add_partition(current_date + 90)"
RESERVE: Final = re.search(
    r"^  DO \$\$ DECLARE lock regprocedure.*?END \$\$;",
    (ROOT / "docs" / "operations.md").read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)


def test_reserved_locks_are_those_of_workers_alone(
    connection: Connection, database: str, attacker: Connection
) -> None:
    assert RESERVE is not None
    assert attacker.execute(TAKE).fetchone() == (True,)
    attacker.execute("SELECT pg_advisory_unlock_all()")
    connection.execute(RESERVE.group().encode())
    for take in ("pg_advisory_lock", "pg_try_advisory_xact_lock_shared", "pg_advisory_xact_lock"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            attacker.execute(f"SELECT {take}(1)".encode())
    with logged_in(database, "working_login") as worker:
        assert worker.execute(TAKE).fetchone() == (True,)
        assert worker.execute(ADD).fetchone() == (True,)
    attacker.execute("SELECT outbox.publish('t', 'k', 'v', '1', idempotency_key => 'i')")
