"""What is too large for a record is refused by name; the owner of the schema may raise it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

if TYPE_CHECKING:
    from outbox_worker.stores import Connection

INSERT: Final = (
    "INSERT INTO outbox.event (topic, key, type, payload, headers) VALUES ('t', %s, %s, %s, %s)"
)
PUBLISH: Final = "SELECT outbox.publish_bytes('t', %s, %s, %s, headers => %s)"
LARGEST: Final = 1_047_552
RAISE: Final = "UPDATE outbox.bound SET bytes = %s WHERE rule = %s"


def refused_by(link: Connection, order: str, *given: object) -> str | None:
    """The constraint that refuses these values, if any does."""
    try:
        link.execute(order.encode(), given)
    except psycopg.errors.CheckViolation as error:
        return error.diag.constraint_name
    return None


@pytest.mark.parametrize("order", [INSERT, PUBLISH])
@pytest.mark.parametrize(
    ("key", "kind", "size", "headers"),
    [
        ("k", "v", LARGEST - 3, None),
        ("ä" * 1_000, "v", LARGEST - 4_001, None),
        ("k", "v", LARGEST - 3 - 20, '{"tenant": "a-long"}'),
        (None, "v" * 255, LARGEST - 255, None),
    ],
)
def test_key_payload_and_headers_fit_a_record_together(
    victim: Connection, order: str, key: str | None, kind: str, size: int, headers: str | None
) -> None:
    payload = os.urandom(size)
    assert refused_by(victim, order, key, kind, payload, headers) is None
    assert refused_by(victim, order, key, kind, payload + b"x", headers) == "event_fits_a_record"


def test_a_type_has_a_bound(victim: Connection) -> None:
    assert refused_by(victim, INSERT, "k", "ä" * 127, None, None) is None
    assert refused_by(victim, INSERT, "k", "ä" * 128, None, None) == "event_type_is_short"


def test_the_owner_raises_a_bound(connection: Connection, victim: Connection) -> None:
    connection.execute(RAISE, (10_000_000, "event_fits_a_record"))
    assert refused_by(victim, PUBLISH, "k", "v", bytes(LARGEST * 2), None) is None
    assert refused_by(victim, PUBLISH, "k", "v", bytes(10_000_001), None) == "event_fits_a_record"
    connection.execute(RAISE, (300, "event_type_is_short"))
    assert refused_by(victim, PUBLISH, "k", "v" * 300, b"", None) is None
    assert refused_by(victim, PUBLISH, "k", "v" * 301, b"", None) == "event_type_is_short"
    headers = f'{{"a": "{70_000 * "x"}"}}'
    assert refused_by(victim, PUBLISH, "k", "v", b"", headers) == "event_headers_are_bounded"
    connection.execute(RAISE, (None, "event_headers_are_bounded"))
    assert refused_by(victim, PUBLISH, "k", "v", b"", headers) is None


def test_a_bound_is_raised_by_the_owner_and_never_lowered(
    connection: Connection, attacker: Connection
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="bound_is_raised"):
        connection.execute(RAISE, (LARGEST - 1, "event_fits_a_record"))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        attacker.execute(RAISE, (None, "event_fits_a_record"))


def test_a_refusal_shows_nothing_of_the_row(victim: Connection) -> None:
    """Postgres' own has the whole row in its DETAIL, which stands in the server's log."""
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        victim.execute(INSERT.encode(), ("secret", "v" * 256, b"secret", None))
    assert "secret" not in f"{caught.value} {caught.value.diag.message_detail}"
    assert caught.value.diag.table_name == "event"


def test_an_operators_update_is_checked_where_it_changes_what_a_writer_wrote(
    connection: Connection, victim: Connection
) -> None:
    victim.execute(INSERT, ("k", "v", b"1", '{"tenant": "a"}'))
    for change in ("topic = 'outbox.shards'", "headers = '[]'", "type = repeat('v', 256)"):
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(f"UPDATE outbox.event SET {change}".encode())  # noqa: S608
    connection.execute("UPDATE outbox.event SET payload = NULL, headers = NULL, topic = 'u'")


MANY: Final = "INSERT INTO outbox.event (topic, key, type, payload, content_type, headers) VALUES "
PLAIN: Final = [
    ("'orders.placed', 'k', 'v', '1', 'application/json', NULL", 0),
    ("'orders_placed', 'k', 'v', '1', 'application/json', '{\"tenant\": \"a\"}'", 0),
    ("'orders', NULL, 'v', NULL, 'application/json', NULL", 0),
    ("'orders', 'k', 'v', '1', NULL, NULL", 0),
    ("'orders', 'k', 'v', '1', 'text/plain', NULL", 1),
    ("'orders', 'k', 'v', '1', 'application/json', '{\"a\": [{}]}'", 1),
]


def test_a_row_that_is_plainly_right_costs_no_call(connection: Connection) -> None:
    """A call costs half as much as a row of an insert of many, and is compiled in each session."""
    connection.execute("SET track_functions = 'all'")
    asked = 0
    for values, calls in PLAIN:
        with connection.transaction():
            connection.execute(f"{MANY} ({values})".encode())
            row = connection.execute(
                "SELECT coalesce(sum(pg_stat_get_xact_function_calls(oid)), 0) FROM pg_proc "
                "WHERE proname = 'validate_event'"
            ).fetchone()
        assert row is not None
        assert row[0] - asked == calls, values
        asked = row[0]


def test_no_constraint_is_planned_for_each_statement(connection: Connection) -> None:
    """Each costs a statement that writes one row 3 to 11 us of about 40."""
    found = connection.execute(
        "SELECT conname FROM pg_constraint WHERE contype = 'c' "
        "AND conrelid IN ('outbox.event'::regclass, 'outbox.idempotency_key'::regclass)"
    ).fetchall()
    assert found == []


def test_rows_from_before_the_bounds_may_be_updated(connection: Connection) -> None:
    """As `rebase --execute` does."""
    connection.execute(
        "INSERT INTO outbox.event (topic, key, type, payload, writer) "
        "VALUES ('__old', 'k', repeat('v', 300), %s, NULL)",
        (bytes(2 * LARGEST),),
    )
    assert connection.execute("UPDATE outbox.event SET horizon = NULL").rowcount == 1


TOPICS: Final = (
    "t",
    "T.a-b_c",
    "",
    ".",
    "..",
    "_a",
    "__a",
    "a b",
    "\u00e4",
    "a\nb",
    "outbox.shards",
)
TOPICS_TOO: Final = ("outbox_shards", "outbox.other", "-a", "9", "a" * 249, "a" * 250)
HEADERS: Final = (
    *(None, "null", "1", "[]", "{}", '{"a": "b"}', '{"": "x"}', '{"a": ""}', '{"a": {"b": [1]}}'),
    *('{"CE_id": "x"}', '{"ce_a": "x"}', '{"ce_A": "x"}', '{"ce_a": null}', r'{"\u0063e_id": "x"}'),
    *('{"Content-Type": "x"}', '{"x\\"ce_id": "x"}', '{"a": "{[\\"ce_id"}', '[{"ce_id": 1}]'),
    *('{"__value_schema_id": "x"}', '{"__KEY_schema_id": "x"}', 32 * '{"a":' + "1" + 32 * "}"),
)
ALWAYS_ASK: Final = """
    CREATE OR REPLACE TRIGGER validate_event BEFORE INSERT ON outbox.event
        FOR EACH ROW EXECUTE FUNCTION outbox.validate_event()"""


def test_what_passes_unseen_breaks_no_rule(connection: Connection) -> None:
    """The trigger's WHEN, beside the function asked for each row."""
    order = "INSERT INTO outbox.event (topic, type, content_type, headers) VALUES (%s, %s, %s, %s)"
    rows = [
        *((topic, "v", "application/json", None) for topic in TOPICS + TOPICS_TOO),
        *(("t", "v", "application/json", headers) for headers in HEADERS),
        *(("t", "v" * size, "application/json", '{"a": "b"}') for size in (0, 1, 255, 256)),
        *(("t", "v", given, None) for given in ("", "application/CloudEvents+json", "text/plain")),
    ]
    seen = [refused_by(connection, order, *row) for row in rows]
    connection.execute(ALWAYS_ASK.encode())
    assert seen == [refused_by(connection, order, *row) for row in rows]
    assert len(set(seen)) == 11
