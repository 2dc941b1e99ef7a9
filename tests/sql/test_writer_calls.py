"""`outbox_worker.publish` and `outbox_worker.submit` on psycopg's connections of both kinds."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

import outbox_worker

if TYPE_CHECKING:
    from uuid import UUID

    from outbox_worker.stores import Connection

EVENTS: Final = "SELECT event_id, payload, headers, content_type FROM outbox.event ORDER BY id"
AS_A_WRITER: Final = "SET LOCAL ROLE outbox_writer"
ASKED: Final[dict[str, Any]] = {"type": "Do", "key": "k", "payload": {"a": 1}, "actor": "me"}


def write(connection: psycopg.Connection[Any], payload: Any, **options: Any) -> UUID:  # noqa: ANN401  whatever a caller may hand over
    return outbox_worker.publish(
        connection, topic="orders", key="order-1", type="order.placed", payload=payload, **options
    )


@pytest.mark.parametrize(
    ("payload", "written", "content_type"),
    [
        ({"total": 10}, b'{"total": 10}', "application/json"),
        ([1, "a"], b'[1, "a"]', "application/json"),
        (7, b"7", "application/json"),
        (Jsonb("text"), b'"text"', "application/json"),
        (Jsonb(None), b"null", "application/json"),
        (None, None, "application/json"),
        (b"\x00\x01", b"\x00\x01", "application/octet-stream"),
        (bytearray(b"\x00\x02"), b"\x00\x02", "application/octet-stream"),
    ],
)
def test_a_payload_goes_out_as_its_kind(
    connection: Connection, database: str, payload: object, written: object, content_type: str
) -> None:
    with psycopg.connect(database, row_factory=dict_row) as writer:
        writer.execute(AS_A_WRITER)
        event_id = write(writer, payload, headers={"tenant": "a"})
    rows = connection.execute(EVENTS).fetchall()
    assert rows == [(event_id, written, {"tenant": "a"}, content_type)]


def test_options_reach_the_schema(connection: Connection, database: str) -> None:
    wanted = uuid4()
    with psycopg.connect(database) as writer:
        first = write(writer, {"n": 1}, event_id=wanted, idempotency_key="i", content_type="a/b")
        again = write(writer, {"n": 1}, idempotency_key="i", content_type="a/b")
    assert first == again == wanted
    assert connection.execute(EVENTS).fetchall() == [
        (wanted, b'{"n": 1}', {"idempotency-key": "i"}, "a/b")
    ]


def test_what_is_rolled_back_was_never_written(connection: Connection, database: str) -> None:
    with psycopg.connect(database) as writer:
        write(writer, {})
        outbox_worker.submit(writer, **ASKED)
        writer.rollback()
    assert connection.execute(EVENTS).fetchall() == []
    assert connection.execute("SELECT FROM outbox.command").fetchall() == []


def test_a_text_and_an_unknown_option_are_refused_before_anything_is_sent(database: str) -> None:
    with psycopg.connect(database) as writer:
        with pytest.raises(TypeError, match=r"json\.loads"):
            write(writer, '{"total": 10}')
        with pytest.raises(TypeError, match="unknown options: eventid"):
            write(writer, {}, eventid=uuid4())
        with pytest.raises(TypeError, match="unknown options: id"):
            outbox_worker.submit(writer, **{**ASKED, "id": uuid4()})
        assert writer.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


def test_a_command_is_asked_for_once(connection: Connection, database: str) -> None:
    wanted = uuid4()
    with psycopg.connect(database, row_factory=dict_row) as writer:
        writer.execute(AS_A_WRITER)
        assert outbox_worker.submit(writer, **ASKED, command_id=wanted) == wanted
        assert outbox_worker.submit(writer, **ASKED, command_id=wanted) == wanted
    rows = connection.execute("SELECT command_id, type, key, payload, actor FROM outbox.command")
    assert rows.fetchall() == [(wanted, "Do", "k", {"a": 1}, "me")]


def test_an_asynchronous_connection_awaits_the_same(connection: Connection, database: str) -> None:
    async def write_both() -> list[UUID]:
        async with await psycopg.AsyncConnection.connect(database, row_factory=dict_row) as writer:
            await writer.execute(AS_A_WRITER)
            placed = await outbox_worker.publish(
                writer, topic="orders", key="k", type="t", payload={"n": 1}
            )
            signed = await outbox_worker.publish(
                writer, topic="orders", key="k", type="t", payload=b"\x00"
            )
            return [placed, signed, await outbox_worker.submit(writer, **ASKED)]

    placed, signed, asked = asyncio.run(write_both())
    assert connection.execute(EVENTS).fetchall() == [
        (placed, b'{"n": 1}', None, "application/json"),
        (signed, b"\x00", None, "application/octet-stream"),
    ]
    assert connection.execute("SELECT command_id FROM outbox.command").fetchall() == [(asked,)]


def test_a_service_imports_neither_kafka_nor_pydantic() -> None:
    program = (
        "import sys, outbox_worker; assert 'psycopg' not in sys.modules; outbox_worker.publish;"
        "print({'confluent_kafka', 'pydantic', 'click'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert done.stdout == b"set()\n"
