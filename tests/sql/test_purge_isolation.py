"""A day is dropped by what its last look sees: all that was committed before the lock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from outbox_worker.postgres import database as connections
from outbox_worker.purge import events, finished
from outbox_worker.stores import partition
from tests.cli.conftest import run_command
from tests.harness.waiting import wait_until
from tests.sql.old_events import count, insert, make_day, publish_all

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outbox_worker.stores import Connection

WAITS_FOR: Final = """
    SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE NOT granted AND application_name = 'dropper' AND relation = %s::text::regclass
"""
MINUTES: Final[Mapping[str, str]] = {"lock_timeout": "2min"}
AT_ONCE: Final[Mapping[str, str]] = {"lock_timeout": "1s"}
LOCK_POSITIONS: Final = "LOCK TABLE outbox.position IN ACCESS EXCLUSIVE MODE"


def await_lock(link: Connection, relation: str) -> None:
    """Wait until the drop waits for a lock on this table."""
    wait_until(
        lambda: link.execute(WAITS_FOR, (relation,)).fetchone() == (1,),
        20,
        f"the drop waits for {relation}",
    )


def repeat_reads(link: Connection) -> None:
    """Make REPEATABLE READ the default of sessions to come."""
    order = f"ALTER DATABASE {link.info.dbname} SET default_transaction_isolation = "
    link.execute(f"{order}'repeatable read'".encode())


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_drop_in_a_transaction_that_sees_the_past_is_refused(
    connection: Connection, level: str
) -> None:
    day = make_day(connection)
    with connection.transaction(force_rollback=True):
        connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level}".encode())
        with pytest.raises(psycopg.errors.InvalidTransactionState, match=level) as refused:
            partition.drop_partition(connection, day)
    assert "read committed" in (refused.value.diag.message_hint or "")
    assert day in partition.list_partitions(connection)


@pytest.mark.parametrize("options", [events.OPTIONS, finished.OPTIONS], ids=["events", "finished"])
def test_the_sessions_of_a_purge_read_what_is_committed_whatever_the_default(
    connection: Connection, database: str, options: Mapping[str, str]
) -> None:
    repeat_reads(connection)
    with connections.connect(database, application="purge", options=options) as link:
        assert link.execute("SHOW transaction_isolation").fetchone() == ("read committed",)


def test_a_purge_works_where_the_default_is_to_see_the_past(
    connection: Connection, database: str
) -> None:
    day = make_day(connection)
    insert(connection, 10)
    publish_all(connection)
    repeat_reads(connection)
    done = run_command("purge", "--older-than-days", "10", database_url=database)
    assert done.returncode == 0, done.stderr
    assert day not in partition.list_partitions(connection)


def test_the_look_locks_nobody_out_and_what_comes_after_it_keeps_the_day(
    connection: Connection, database: str
) -> None:
    day = make_day(connection)
    insert(connection, 10)
    publish_all(connection)
    with (
        connections.connect(database, application="dropper", options=MINUTES) as dropper,
        connections.connect(database, application="writer", options=AT_ONCE) as writer,
        connections.connect(database, application="holder") as holder,
        ThreadPoolExecutor(1) as pool,
    ):
        with holder.transaction():
            # The look asks for the positions, and here stands still.
            holder.execute(LOCK_POSITIONS)
            dropping = pool.submit(partition.drop_partition, dropper, day)
            await_lock(connection, "outbox.position")
            assert count(writer) == 10
            insert(writer, 1)
        assert not dropping.result(60)
    assert count(connection) == 11


def test_a_row_that_is_committed_while_the_drop_waits_for_its_lock_keeps_the_day(
    connection: Connection, database: str
) -> None:
    day = make_day(connection)
    insert(connection, 10)
    publish_all(connection)
    with (
        connections.connect(database, application="dropper", options=MINUTES) as dropper,
        connections.connect(database, application="writer") as writer,
        ThreadPoolExecutor(1) as pool,
    ):
        with writer.transaction():
            # Begun before the look: the xid lies among those that it leaves out.
            insert(writer, 1)
            connection.execute("SELECT pg_current_xact_id()")
            dropping = pool.submit(partition.drop_partition, dropper, day)
            await_lock(connection, "outbox.event")
        assert not dropping.result(60)
    assert count(connection) == 11
