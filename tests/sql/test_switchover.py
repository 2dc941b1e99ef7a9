"""Sequences that a switch-over left behind are found, set, and what was numbered wrongly moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from outbox_worker.errors import HistoryLostError
from outbox_worker.postgres import switchover

if TYPE_CHECKING:
    from collections.abc import Iterable

    from outbox_worker.stores import Connection

SEQUENCES: Final = {
    "outbox.event_id_seq": "INSERT INTO outbox.event (topic, key, type) VALUES ('t', %s, 'v')",
    "outbox.command_seq_seq": (
        "INSERT INTO outbox.command (type, key, actor, payload) VALUES (%s, 'k', 'a', '{}')"
    ),
    "outbox.dead_letter_order_id_seq": (
        "INSERT INTO outbox.dead_letter_order (action, reason, request) VALUES ('park', %s, 0)"
    ),
    # One call, two orders.
    "outbox.dead_letter_request_seq": """
        INSERT INTO outbox.dead_letter_order (id, action, reason, request)
        OVERRIDING SYSTEM VALUE
        SELECT least((SELECT min(id) FROM outbox.dead_letter_order), 0) - n, 'redrive', reason,
               request
        FROM generate_series(1, 2) AS n,
             (SELECT %s AS reason, nextval('outbox.dead_letter_request_seq') AS request) AS call""",
    "school.arrival_seq": """
        INSERT INTO school.content (batch_id, text_storage_id, status, file_upload_id,
                                    original_file_name, file_size_bytes, correlation_id)
        VALUES (gen_random_uuid(), %s, 'pending', 'f', 'n', 1, gen_random_uuid())""",
}
IDS: Final = "SELECT key FROM outbox.event ORDER BY id"
QUEUE: Final = "SELECT type FROM outbox.command ORDER BY seq"
ARRIVALS: Final = "SELECT text_storage_id FROM school.content ORDER BY arrival"
ORDERS: Final = "SELECT reason FROM outbox.dead_letter_order WHERE action = 'park' ORDER BY id"
REQUESTS: Final = """
    SELECT min(reason) FROM outbox.dead_letter_order WHERE action = 'redrive'
    GROUP BY request ORDER BY request"""
UNIQUE: Final = "outbox.dead_letter_order_id_seq"
"""No number of this one is given out a second time while its row is there."""
EARLY: Final = """
    SELECT text_storage_id FROM (
        SELECT arrival, text_storage_id FROM school.content
        UNION ALL SELECT arrival, file_upload_id FROM school.failure) AS early
    ORDER BY arrival"""
FAIL: Final = """
    INSERT INTO school.failure (batch_id, file_upload_id, status, original_file_name, code,
                                correlation_id)
    VALUES (gen_random_uuid(), %s, 'pending', 'n', 'EMPTY_CONTENT', gen_random_uuid())"""
SETTLE: Final = """
    UPDATE school.content SET status = 'excess' WHERE text_storage_id = %s"""
OF_DATABASE: Final = """
    SELECT seqrelid::regclass::text FROM pg_sequence ORDER BY 1"""
"""Every sequence, those of identity columns and of schemas that are to come, too."""


def write(link: Connection, *names: str, into: Iterable[str] = SEQUENCES) -> None:
    for name in names:
        for sequence in into:
            link.execute(SEQUENCES[sequence].encode(), (name,))


def leave_behind(link: Connection, name: str) -> None:
    """As a new server has it: rows, and a sequence that gave out nothing."""
    link.execute("SELECT setval(%s, 1, false)", (name,))


def order(link: Connection, statement: str) -> list[str]:
    return [row[0] for row in link.execute(statement.encode()).fetchall()]


def test_every_sequence_is_watched(connection: Connection) -> None:
    watched = [row[0] for row in connection.execute("SELECT name FROM outbox.sequence").fetchall()]
    assert sorted(watched) == order(connection, OF_DATABASE)
    assert sorted(watched) == sorted(SEQUENCES)


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_sequence_that_is_behind_is_refused_until_it_is_set(
    connection: Connection, name: str
) -> None:
    switchover.see_that_numbers_go_on(connection)
    write(connection, *"abc")
    switchover.see_that_numbers_go_on(connection)
    leave_behind(connection, name)
    with pytest.raises(HistoryLostError, match=f"{name} stands at 0, .* up to 3") as caught:
        switchover.see_that_numbers_go_on(connection)
    assert "outbox-worker migrate" in caught.value.hint
    (done,) = switchover.catch_up(connection)
    assert done == (name, 0, 3)
    switchover.see_that_numbers_go_on(connection)
    assert switchover.catch_up(connection) == []
    write(connection, "d")
    for statement in (IDS, QUEUE, ORDERS, REQUESTS, ARRIVALS):
        assert order(connection, statement) == [*"abcd"]


def test_what_was_written_under_numbers_of_old_rows_comes_after_them(
    connection: Connection,
) -> None:
    write(connection, *"abcde")
    others = SEQUENCES.keys() - {UNIQUE}
    for name in SEQUENCES:
        leave_behind(connection, name)
    write(connection, *"xy", into=others)
    assert order(connection, IDS) != [*"abcdexy"]
    assert {each.name for each in switchover.catch_up(connection)} == SEQUENCES.keys()
    write(connection, "z", into=others)
    for statement in (IDS, QUEUE, REQUESTS, ARRIVALS):
        assert order(connection, statement) == [*"abcdexyz"]


def test_what_was_asked_for_under_numbers_that_purge_had_removed_is_still_to_be_done(
    connection: Connection,
) -> None:
    write(connection, *"abcde", into=[UNIQUE])
    connection.execute("DELETE FROM outbox.dead_letter_order WHERE reason IN ('a', 'b')")
    leave_behind(connection, UNIQUE)
    write(connection, *"xy", into=[UNIQUE])
    assert order(connection, ORDERS) == [*"xycde"]
    (done,) = switchover.catch_up(connection)
    assert done == (UNIQUE, 2, 5)
    assert order(connection, ORDERS) == [*"cdexy"]


def test_texts_and_failures_that_came_too_early_are_behind_the_old_ones_in_their_own_order(
    connection: Connection,
) -> None:
    write(connection, "a")
    connection.execute(FAIL, ("b",))
    write(connection, *"cd")
    leave_behind(connection, "school.arrival_seq")
    connection.execute(FAIL, ("v",))
    write(connection, *"wx")
    # What is settled has no place in an order any more.
    connection.execute(SETTLE, ("w",))
    (done,) = switchover.catch_up(connection)
    assert done == ("school.arrival_seq", 3, 4)
    connection.execute(FAIL, ("y",))
    assert [each for each in order(connection, EARLY) if each != "w"] == [*"abcdvxy"]


def test_events_written_too_early_after_a_purge_of_all_old_ones_get_numbers_above_theirs(
    connection: Connection,
) -> None:
    connection.execute("INSERT INTO outbox.purged (id, xid) VALUES (70, '5')")
    write(connection, *"ab")
    switchover.catch_up(connection)
    write(connection, "c")
    assert order(connection, IDS) == [*"abc"]
    assert connection.execute("SELECT min(id) > 70 FROM outbox.event").fetchone() == (True,)


def test_an_application_that_was_dropped_leaves_nothing_to_be_set(connection: Connection) -> None:
    connection.execute("DROP SCHEMA school CASCADE")
    switchover.see_that_numbers_go_on(connection)
    assert switchover.catch_up(connection) == []


def test_old_rows_keep_their_numbers(connection: Connection) -> None:
    write(connection, *"abcde")
    connection.execute("SELECT setval('outbox.event_id_seq', 2)")
    switchover.catch_up(connection)
    assert order(connection, IDS) == [*"abcde"]
    assert connection.execute("SELECT max(id) FROM outbox.event").fetchone() == (5,)


def test_numbers_of_events_that_were_purged_are_not_given_out_again(
    connection: Connection,
) -> None:
    connection.execute("INSERT INTO outbox.purged (id, xid) VALUES (70, '5')")
    with pytest.raises(HistoryLostError, match="up to 70"):
        switchover.see_that_numbers_go_on(connection)
    switchover.catch_up(connection)
    write(connection, "a")
    assert connection.execute("SELECT min(id) > 70 FROM outbox.event").fetchone() == (True,)


def test_events_of_transactions_to_come_are_another_servers(connection: Connection) -> None:
    write(connection, "a")
    switchover.see_that_events_are_ours(connection)
    connection.execute("UPDATE outbox.event SET xid = '99999999'")
    with pytest.raises(HistoryLostError, match="not begun yet") as caught:
        switchover.see_that_events_are_ours(connection)
    assert "rebase --execute" in caught.value.hint
