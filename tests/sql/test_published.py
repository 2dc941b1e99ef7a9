"""Every job runs beside a publication of all tables, as a switch-over needs one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from outbox_school.stores import tally
from outbox_worker.maintenance import partitions
from outbox_worker.postgres import database as connections
from outbox_worker.purge import finished
from tests.retention.dataset import Batch, Dataset, Early, RecordedProgress, counted
from tests.retention.test_retention import NOW, order
from tests.sql.old_events import SESSION, count, make_everything_old, publish_all, run

if TYPE_CHECKING:
    from outbox_worker.stores import Connection

WITHOUT_IDENTITY: Final = """
    SELECT relnamespace::regnamespace || '.' || relname FROM pg_class
    WHERE relnamespace IN ('outbox'::regnamespace, 'school'::regnamespace, 'domain'::regnamespace)
      AND relkind IN ('r', 'p') AND relnatts > 0
      AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = pg_class.oid AND indisprimary)"""
REWRITE: Final = "UPDATE outbox.event SET xid = pg_current_xact_id()"


@pytest.fixture
def published(connection: Connection) -> Connection:
    """A connection to a database whose tables are all published."""
    # Without wal_level=logical Postgres says that nobody could subscribe, and holds every
    # UPDATE and DELETE to the same rule.
    connection.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    connection.execute("CREATE TABLE public.without_a_key AS SELECT 1 AS n")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="replica identity"):
        connection.execute("DELETE FROM public.without_a_key")
    return connection


def test_every_table_has_a_primary_key(connection: Connection) -> None:
    assert connection.execute(WITHOUT_IDENTITY).fetchall() == []


def test_the_tally_is_folded_and_batches_are_removed_beside_a_publication(
    published: Connection,
) -> None:
    Dataset([Batch("GUEST", 9, slots=3), Batch("REGULAR", 9)], [Early(9, 2, 2)], [9, None]).write(
        published, NOW
    )
    before = tally.list_tally(published)
    assert tally.fold_tally(published, 1, 20_000)
    assert tally.list_tally(published) == before
    done = finished.run_once(
        published, order(1, "GUEST", "REGULAR"), RecordedProgress(), dry_run=False
    )
    gone = ("GUEST batches", "REGULAR batches", "finished commands")
    assert [done.rows[what] for what in gone] == [1, 1, 1]
    for row in tally.list_tally(published):
        assert (row.active, row.completed) == counted(published, row.class_type) == (0, 0)


def test_events_are_purged_and_given_new_xids_beside_a_publication(
    published: Connection, database: str
) -> None:
    with connections.connect(database, application="tests", options=SESSION) as link:
        make_everything_old(link)
        assert link.execute(REWRITE).rowcount == count(link)
        link.execute("TRUNCATE outbox.position")
        publish_all(link)
        done = run(link)
        assert (len(done.days), done.keys) == (1, 1)
        assert done.default_events == 5
        partitions.run_once(link)
    assert published.execute(WITHOUT_IDENTITY).fetchall() == []
