"""What a worker asks of a large ledger costs what it finds, and not what else is parked there.

Counted in buffers, whatever the planner knows of the ledger: its statistics may be of a day with
nothing in it, or with one key that had many dead letters.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from outbox_worker.postgres import database as connections
from outbox_worker.stores.loader import sql
from tests.sql.test_statements import numbered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outbox_worker.stores import Connection

LETTERS: Final = 10_000
ROWS: Final = 5
MOST: Final = 130
"""Buffers of one statement: some for each of the rows. The ledger has hundreds."""

FILL: Final = """
    INSERT INTO outbox.dead_letter_event (id, created_at, xid, shard, topic, key, event_id, type,
                                          reason, code, parked_by, number, state, refused_in)
    SELECT n, '2026-01-01', '5', {shard}, {topic}, {key}, gen_random_uuid(), 'type', 'reason',
           'CODE', 'worker', 1, {state}, {refused_in} FROM generate_series(1, {letters}) AS n"""
ONE_KEY: Final = {
    "shard": "3",
    "topic": "'t'",
    "key": "'k'",
    "state": "'parked'",
    "refused_in": "NULL",
}
SHAPES: Final[dict[str, dict[str, str]]] = {
    "one key": ONE_KEY,
    "many keys": {**ONE_KEY, "key": "'key ' || n"},
    "many shards": {**ONE_KEY, "shard": "n % 16", "key": "'key ' || n"},
    "no key": {**ONE_KEY, "key": "NULL"},
    "discarded": {**ONE_KEY, "state": "CASE WHEN n < 9800 THEN 'discarded' ELSE 'parked' END"},
    "refused": {**ONE_KEY, "refused_in": "CASE WHEN n % 3 = 0 THEN 5 END"},
}
STATISTICS: Final = ("none", "of today", "of one key")

ORDER: Final[dict[str, Any]] = {
    "shard": 3,
    "topic": None,
    "key": None,
    "event": None,
    "after": 0,
    "request": 9,
    "rows": ROWS,
    "bytes": 10**7,
    "largest": 10**7,
}
REDRIVES: Final[dict[str, dict[str, Any]]] = {
    "all": ORDER,
    "all, at the end": {**ORDER, "after": 9_900},
    "a topic": {**ORDER, "topic": "t"},
    "a key": {**ORDER, "topic": "t", "key": "k"},
    "a key, at the end": {**ORDER, "topic": "t", "key": "k", "after": 9_900},
    "a key that is not there": {**ORDER, "topic": "t", "key": "other"},
    "a key up to an event": {**ORDER, "topic": "t", "key": "k", "event": 9_990},
    "an event": {**ORDER, "topic": "t", "event": 9_990},
    "a refused key": {**ORDER, "topic": "t", "key": "k", "request": 4},
}
CASES: Final[dict[str, dict[str, Any]]] = {
    "list_orders": {"shards": list(range(16)), "most": 500},
    "list_open": {"shards": [3, 3], "topics": ["t", "t"], "keys": ["k", "other"]},
    "has_earlier": {"ids": [9_901, 9_902, 9_903], "after": 9_900},
    "list_redriving": {"shards": list(range(16))},
    "list_shards": {"shards": list(range(16))},
    "mark_redriving": {
        "shard": 3,
        "epoch": 0,
        "ids": [9_901, 9_902],
        "to_topic": None,
        "decided_by": "somebody",
    },
    "mark_redriven": {"shard": 3, "number": 5, "request": 1},
    "mark_refused": {"id": 9_990, "reason": "reason", "code": "CODE", "request": 9},
    "settle_redrives": {"shard": 3, "epoch": 0, "ledger": 5},
    "insert_events": {
        "shards": [3],
        "epochs": [0],
        "ids": [LETTERS + 1],
        "xids": [5],
        "places": [3],
        "created": ["2026-01-01"],
        "topics": ["t"],
        "keys": ["k"],
        "event_ids": ["00000000-0000-0000-0000-000000000001"],
        "types": ["type"],
        "reasons": ["reason"],
        "codes": ["CODE"],
        "behind": [None],
        "parked_by": ["worker"],
    },
    "end_redrive": {"id": 1},
}


def fill(link: Connection, shape: dict[str, str]) -> None:
    """A ledger of this shape, and nothing else in it."""
    link.execute("TRUNCATE outbox.dead_letter_event")
    link.execute(FILL.format(letters=LETTERS, **shape).encode())


@pytest.fixture(scope="module", params=STATISTICS)
def statistics(request: pytest.FixtureRequest, migrated_database_url: str) -> tuple[str, str]:
    """The URL of a database, and what its planner knows."""
    with connections.connect(migrated_database_url, application="tests") as admin:
        admin.execute("ALTER TABLE outbox.dead_letter_event SET (autovacuum_enabled = false)")
        if request.param == "of one key":
            fill(admin, ONE_KEY)
            admin.execute("ANALYZE outbox.dead_letter_event")
    return migrated_database_url, request.param


@pytest.fixture(scope="module", params=SHAPES)
def loaded(request: pytest.FixtureRequest, statistics: tuple[str, str]) -> Iterator[Connection]:
    """The worker's session on a ledger of a shape."""
    url, known = statistics
    with connections.connect(url, application="tests") as admin:
        fill(admin, SHAPES[request.param])
        if known == "of today":
            admin.execute("ANALYZE outbox.dead_letter_event")
    with connections.connect(url, application="tests", options=connections.READER_OPTIONS) as link:
        yield link


def buffers_of(link: Connection, name: str, values: dict[str, Any]) -> tuple[int, str]:
    """How many buffers the generic plan of a statement touches, and the plan."""
    body = sql.load(f"dead_letter/{name}")
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", body.decode())))
    link.execute(b"PREPARE checked AS " + numbered(body), prepare=False)
    try:
        with link.transaction(force_rollback=True):
            marks = ", ".join(["%s"] * len(names))
            order = f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) EXECUTE checked ({marks})"
            rows = psycopg.ClientCursor(link).execute(order, [values[each] for each in names])
            plan = "\n".join(row[0] for row in rows)
    finally:
        link.execute("DEALLOCATE checked", prepare=False)
    counted = re.search(r"Buffers: shared (?:hit=(\d+))?(?: ?read=(\d+))?", plan)
    assert counted is not None
    return sum(int(each or 0) for each in counted.groups()), plan


@pytest.mark.parametrize("asked", REDRIVES)
def test_a_redrive_reads_what_it_publishes_next_and_no_more(loaded: Connection, asked: str) -> None:
    buffers, plan = buffers_of(loaded, "list_redrivable", REDRIVES[asked])
    assert buffers < MOST, plan


@pytest.mark.parametrize("name", CASES)
def test_other_statements_of_the_worker_do_not_wade_through_the_ledger(
    loaded: Connection, name: str
) -> None:
    buffers, plan = buffers_of(loaded, name, CASES[name])
    assert buffers < MOST, plan
    for index in sql.index_of(f"dead_letter/{name}"):
        assert index in plan
