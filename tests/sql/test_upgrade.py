"""From the schema before writers were noted, with rows that wait and writers that keep writing.

`OUTBOX_TEST_UPGRADE_ROWS` says how many events, commands and keys wait; `make migration` takes
1,000,000 (some minutes).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from psycopg import conninfo

from outbox_school.school import school
from outbox_worker.maintenance import partitions
from outbox_worker.postgres import database, migrations
from outbox_worker.postgres.migrations import ENGINE, Tables
from tests.harness.databases import make_empty_database
from tests.harness.waiting import patient, wait_until

if TYPE_CHECKING:
    from outbox_worker.local.postgres import PostgresServer
    from outbox_worker.stores import Connection

LOG: Final = logging.getLogger(__name__)
ROWS: Final = int(os.environ.get("OUTBOX_TEST_UPGRADE_ROWS", "20000"))
BEFORE: Final = 6
"""The last migration before the change."""
LONGEST_S: Final = 2.0
THREADS: Final = 4
MOVED: Final = 100
"""Transactions of each thread before and after."""

LOGIN: Final = """
    DO $$ BEGIN CREATE ROLE keeps_writing LOGIN IN ROLE outbox_writer;
    EXCEPTION WHEN duplicate_object THEN NULL; END $$"""
EVENTS: Final = """
    INSERT INTO outbox.event (topic, key, type, payload, content_type)
    SELECT 'orders', n::text, 'v', convert_to(repeat('x', 400), 'UTF8'), 'text/plain'
    FROM generate_series(1, %s) AS n"""
OLD_EVENTS: Final = """
    INSERT INTO outbox.event (topic, key, type, payload)
    VALUES ('__ours', 'k', repeat('v', 300), convert_to(repeat('x', 2000000), 'UTF8'))"""
COMMANDS: Final = """
    INSERT INTO outbox.command (type, key, actor, payload)
    SELECT 'Do', n::text, 'me', '{}' FROM generate_series(1, %s) AS n"""
KEYS: Final = """
    INSERT INTO outbox.idempotency_key (topic, key, event_id)
    SELECT 'orders', 'old ' || n, gen_random_uuid() FROM generate_series(1, %s) AS n"""
COUNTS: Final = "SELECT (SELECT count(*) FROM outbox.event), (SELECT count(*) FROM outbox.command)"
ONCE: Final = "SELECT outbox.publish('once', 'k', 'v', '1', idempotency_key => %s)"
PLAIN: Final = "INSERT INTO outbox.event (topic, key, type) VALUES ('plain', 'k', 'v')"
ASK: Final = "SELECT outbox.submit('Do', 'k', '{}', 'me')"


@dataclass
class Writers:
    """Threads that write events and commands; all of them repeat the same idempotency keys."""

    url: str
    stop: threading.Event = field(default_factory=threading.Event)
    done: Counter[int] = field(default_factory=Counter)
    longest: dict[int, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def run(self, number: int) -> None:
        with psycopg.connect(self.url, autocommit=True) as link:
            link.execute("SET lock_timeout = 0")
            began = time.monotonic()
            while not self.stop.is_set():
                try:
                    self.write(link, self.done[number])
                except psycopg.errors.SerializationFailure:
                    continue  # the one that waited for the migration in the old function
                except psycopg.Error as error:
                    self.failures.append(str(error))
                now = time.monotonic()
                self.longest[number] = max(self.longest.get(number, 0.0), now - began)
                began = now
                self.done[number] += 1

    @property
    def longest_s(self) -> float:
        return max(self.longest.values())

    def write(self, link: psycopg.Connection, turn: int) -> None:
        """One transaction, of which every third begins with a command."""
        with link.transaction():
            if turn % 3 == 0:
                link.execute(ASK)
            link.execute(ONCE, (f"key {turn}",))
            link.execute(PLAIN)

    def have_moved(self, since: Counter[int]) -> bool:
        return all(self.done[n] >= since[n] + MOVED for n in range(THREADS))


@pytest.fixture
def before(postgres: PostgresServer) -> str:
    """The URL of a database with the schema before the change, full of what waits."""
    url = postgres.url(make_empty_database(postgres))
    old = Tables(ENGINE.owner, ENGINE.migrations[:BEFORE])
    with database.connect(url, application="tests") as link:
        migrations.apply(link, (old, *school.tables[1:]))
        partitions.run_once(link)
        link.execute(LOGIN)
        for order, given in ((EVENTS, (ROWS,)), (OLD_EVENTS, ()), (COMMANDS, (ROWS,))):
            link.execute(order.encode(), given or None)
        link.execute(KEYS, (ROWS,))
    return url


def test_nothing_is_lost_or_repeated_and_writers_keep_writing(before: str) -> None:
    writers = Writers(conninfo.make_conninfo(before, user="keeps_writing"))
    threads = [threading.Thread(target=writers.run, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: writers.have_moved(Counter()), 60, "writers write before")
        with database.connect(before, application="migrate") as link:
            done = migrations.apply(link, school.tables)
        since = Counter(writers.done)
        wait_until(lambda: writers.have_moved(since), 60, "writers write after")
    finally:
        writers.stop.set()
        for thread in threads:
            thread.join(patient(20))
    LOG.info("%s rows of each: a writer waited for at most %.2f s", ROWS, writers.longest_s)
    assert len(done) == len(ENGINE.migrations) - BEFORE
    assert writers.failures == []
    with database.connect(before, application="tests") as link:
        assert_whole(link, writers)
    assert writers.longest_s <= patient(LONGEST_S), f"a writer waited {writers.longest_s:.2f} s"


def assert_whole(link: Connection, writers: Writers) -> None:
    """What waited is there, what was written since as well, and each key has one event."""
    turns = sum(writers.done.values())
    commands = sum(-(-count // 3) for count in writers.done.values())
    keys = max(writers.done.values())
    assert link.execute(COUNTS).fetchone() == (ROWS + 1 + turns + keys, ROWS + commands)
    of_writer = (
        "SELECT count(*) FILTER (WHERE writer = 'keeps_writing'), count(writer) FROM outbox.event"
    )
    row = link.execute(of_writer.encode()).fetchone()
    assert row is not None
    assert 0 < row[0] == row[1] < turns + keys
    known = link.execute(
        "SELECT outbox.publish('orders', 'k', 'v', '1', idempotency_key => 'old 1') = event_id "
        "FROM outbox.unowned_idempotency_key WHERE key = 'old 1'"
    ).fetchone()
    assert known == (True,)
    # As `rebase --execute` does, also of rows that no bound of today would let in.
    assert link.execute("UPDATE outbox.event SET horizon = NULL WHERE key = 'k'").rowcount > 0
    assert partitions.run_once(link).blocked == []


REPLACED: Final = """
    ALTER TABLE outbox.event
        DROP CONSTRAINT event_fits_a_record,
        ADD CONSTRAINT event_fits_a_record CHECK (octet_length(payload) <= 10000000) NOT VALID,
        DROP CONSTRAINT event_type_is_short"""


def test_a_bound_that_the_owner_has_replaced_or_dropped_stays_so(postgres: PostgresServer) -> None:
    names = [step.name for step in ENGINE.migrations]
    before = ENGINE.migrations[: names.index("rules_of_an_event")]
    with database.connect(postgres.url(make_empty_database(postgres)), application="tests") as link:
        migrations.apply(link, (Tables(ENGINE.owner, before),))
        link.execute(REPLACED.encode())
        migrations.apply(link, (ENGINE,))
        found = link.execute("SELECT rule, bytes FROM outbox.bound ORDER BY rule").fetchall()
        assert found == [
            ("event_fits_a_record", None),
            ("event_headers_are_bounded", 65_536),
            ("event_type_is_short", None),
        ]
        write = "INSERT INTO outbox.event (topic, type, payload) VALUES ('t', repeat('v', 300), %s)"
        link.execute(write, (bytes(2_000_000),))
        with pytest.raises(psycopg.errors.CheckViolation, match="event_fits_a_record"):
            link.execute(write, (bytes(10_000_001),))
