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
RAISE: Final = """
    ALTER TABLE outbox.event
        DROP CONSTRAINT event_fits_a_record,
        ADD CONSTRAINT event_fits_a_record CHECK (octet_length(payload) <= 10000000) NOT VALID"""


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


def test_the_owner_raises_the_bound(connection: Connection, victim: Connection) -> None:
    connection.execute(RAISE)
    assert refused_by(victim, PUBLISH, "k", "v", bytes(LARGEST * 2), None) is None
    assert refused_by(victim, PUBLISH, "k", "v", bytes(10_000_001), None) == "event_fits_a_record"


def test_rows_from_before_the_bounds_may_be_updated(connection: Connection) -> None:
    """As `rebase --execute` does."""
    connection.execute(
        "INSERT INTO outbox.event (topic, key, type, payload, writer) "
        "VALUES ('__old', 'k', repeat('v', 300), %s, NULL)",
        (bytes(2 * LARGEST),),
    )
    assert connection.execute("UPDATE outbox.event SET horizon = NULL").rowcount == 1
