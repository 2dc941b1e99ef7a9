"""What writers may rely on: publish(), plain INSERT, idempotency, rights."""

from __future__ import annotations

import json
import random
import string
import threading
import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from outbox_worker.postgres import database as connections
from outbox_worker.settings import SHARDS
from tests.harness.waiting import patient, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outbox_worker.stores import Connection

WAITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"


def publish(link: Connection, text: str, *parameters: object, name: str = "publish") -> uuid.UUID:
    call = f"SELECT outbox.{name}({text})"
    row = link.execute(call.encode(), parameters).fetchone()
    assert row is not None
    event_id: uuid.UUID = row[0]
    return event_id


def events(link: Connection) -> list[dict[str, Any]]:
    columns = "topic, key, type, payload, event_id, headers, content_type"
    order = f"SELECT {columns} FROM outbox.event ORDER BY id"  # noqa: S608  of this file
    rows = link.execute(order.encode()).fetchall()
    return [dict(zip(columns.split(", "), row, strict=True)) for row in rows]


def test_json_of_any_form_of_call_arrives_as_bytes(connection: Connection) -> None:
    publish(connection, """'t', 'k', 'made.v1', '{"a": 1}'""")
    publish(connection, """'t', 'k', 'made.v1', '{"a": 1}'::jsonb""")
    publish(connection, "%s, %s, %s, %s", "t", "k", "made.v1", '{"a": 1}')
    publish(connection, "%s, %s, %s, %s", "t", "k", "made.v1", Jsonb({"a": 1}))
    publish(connection, """topic => 't', payload => '{"a": 1}', key => 'k', type => 'made.v1'""")
    found = events(connection)
    assert [event["payload"] for event in found] == [b'{"a": 1}'] * 5
    assert {event["content_type"] for event in found} == {"application/json"}


def test_publish_and_publish_bytes_have_one_form_each(connection: Connection) -> None:
    """A driver asks the server for the types of parameters that it gives none for."""
    for name, payload in (("publish", "jsonb"), ("publish_bytes", "bytea")):
        connection.execute(f"PREPARE {name} AS SELECT outbox.{name}($1, $2, $3, $4)".encode())
        row = connection.execute(
            "SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = %s", (name,)
        ).fetchone()
        assert row == (["text", "text", "text", payload],)


def test_null_is_a_tombstone_and_json_null_is_not(connection: Connection) -> None:
    publish(connection, "'t', 'k', 'gone.v1', NULL")
    publish(connection, "'t', NULL, 'gone.v1', NULL", name="publish_bytes")
    publish(connection, "'t', 'k', 'null.v1', 'null'")
    assert [event["payload"] for event in events(connection)] == [None, None, b"null"]
    assert events(connection)[1]["key"] is None


def test_the_given_event_id_headers_and_content_type_are_kept(connection: Connection) -> None:
    given = uuid.uuid4()
    headers = {"traceparent": "00-1-2-03", "correlation-id": "c"}
    found = publish(
        connection,
        "'t', 'k', 'made.v1', '\\x00ff', %s, headers => %s, content_type => 'x/y'",
        given,
        json.dumps(headers),
        name="publish_bytes",
    )
    assert found == given
    (event,) = events(connection)
    assert (event["event_id"], event["headers"]) == (given, headers)
    assert (event["payload"], event["content_type"]) == (b"\x00\xff", "x/y")


@pytest.mark.parametrize("name", ["publish", "publish_bytes"])
def test_headers_of_json_null_are_none(connection: Connection, name: str) -> None:
    publish(connection, "'t', 'k', 'v', NULL, headers => 'null'", name=name)
    publish(connection, "'t', 'k', 'v', NULL, NULL, 'a key', 'null'", name=name)
    found = [event["headers"] for event in events(connection)]
    assert found == [None, {"idempotency-key": "a key"}]


def test_a_content_type_of_null_is_as_none_given(connection: Connection) -> None:
    publish(connection, "'t', 'k', 'v', '1', content_type => NULL")
    publish(connection, "'t', 'k', 'v', 'x', content_type => NULL", name="publish_bytes")
    found = [event["content_type"] for event in events(connection)]
    assert found == ["application/json", "application/octet-stream"]


NO_JSON = (
    *(b"", b" ", b"\x00\x01", b"hello", b"{", b"nul", b'{"a": \xff}', b"\xef\xbb\xbf{}"),
    *(b"[1] 2", b'"\n', b"\xac\xed\x00\x05", b"\x0a\x01a", b'{"a": 1}\x00', b"[" * 100_000),
)
JSON = (b'{"a": 1}', b" \t\r\n[1]", b'"\\u0000"', b"-1e5000", b"null", b"true", b"false", b"\x30")


@pytest.mark.parametrize(
    ("payload", "content_type"),
    [
        *((each, "application/json") for each in JSON),
        *((each, "application/octet-stream") for each in NO_JSON),
    ],
)
def test_bytes_that_are_no_json_are_not_called_so_by_default(
    connection: Connection, payload: bytes, content_type: str
) -> None:
    publish(connection, "'t', 'k', 'v', %s", payload, name="publish_bytes")
    connection.execute(
        "INSERT INTO outbox.event (topic, type, payload) VALUES ('t', 'v', %s)", (payload,)
    )
    publish(
        connection,
        "'t', 'k', 'v', %s, content_type => 'application/json'",
        payload,
        name="publish_bytes",
    )
    found = [(event["payload"], event["content_type"]) for event in events(connection)]
    assert found == [(payload, content_type)] * 2 + [(payload, "application/json")]


def test_the_look_at_the_bytes_draws_no_xid_of_its_own(connection: Connection) -> None:
    """A subtransaction with an xid would be one more for every snapshot to hold."""
    with connection.transaction():
        before = connection.execute("SELECT pg_current_xact_id()").fetchone()
        for payload in (b'{"a": 1}', b"{"):
            publish(connection, "'t', 'k', 'v', %s", payload, name="publish_bytes")
        with connections.connect(connection.info.dsn, application="other") as other:
            after = other.execute("SELECT pg_current_xact_id()").fetchone()
    assert before is not None
    assert after == (str(int(before[0]) + 1),)


@pytest.mark.parametrize("value", [{"a": 1}, [1], [], {}, " [1]"])
def test_json_that_was_encoded_twice_is_refused(connection: Connection, value: object) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    with pytest.raises(psycopg.DatabaseError, match="PAYLOAD_ENCODED_TWICE") as caught:
        publish(connection, "'t', 'k', 'v', %s, idempotency_key => 'k'", json.dumps(text))
    assert caught.value.sqlstate == "OB002"
    assert "payload => $4::text::jsonb" in (caught.value.diag.message_hint or "")
    assert not events(connection)


@pytest.mark.parametrize("text", ["hello", "123", "", "[draft] of today", "{name}", "null", '"a"'])
def test_a_string_that_is_meant_goes_out(connection: Connection, text: str) -> None:
    publish(connection, "'t', 'k', 'v', %s", Jsonb(text))
    assert [json.loads(event["payload"]) for event in events(connection)] == [text]


SCHEMA = "0193f1a2-0000-7000-8000-0123456789ab"


def test_a_schema_id_is_kept_as_a_header(connection: Connection) -> None:
    publish(
        connection,
        "'t', 'k', 'v', 'x', NULL, 'once', %s, schema_id => %s",
        '{"a": "b"}',
        SCHEMA,
        name="publish_bytes",
    )
    (event,) = events(connection)
    assert event["headers"] == {
        "a": "b",
        "idempotency-key": "once",
        "__value_schema_id": SCHEMA,
    }


@pytest.mark.parametrize("key", ["", "x" * 2_401, "ä" * 1_201])
def test_the_length_of_an_idempotency_key_has_a_bound(connection: Connection, key: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        publish(connection, "'t', 'k', 'v', '1', idempotency_key => %s", key)
    assert caught.value.diag.constraint_name == "idempotency_key_is_short"


def test_the_longest_idempotency_key_fits_beside_the_longest_topic(connection: Connection) -> None:
    """Of characters that no compression makes shorter."""
    key = "".join(random.Random(7).choices(string.printable[:90], k=2_400))
    given = ("t" * 249, key)
    first = publish(connection, "%s, 'k', 'v', '1', idempotency_key => %s", *given)
    assert publish(connection, "%s, 'k', 'v', '1', idempotency_key => %s", *given) == first


def test_a_wrong_topic_is_named_beside_an_idempotency_key_too(connection: Connection) -> None:
    for topic in ("no spaces", "x" * 3_000):
        with pytest.raises(psycopg.errors.CheckViolation, match=r"topic_is_(a_kafka_topic|short)"):
            publish(connection, "%s, 'k', 'v', '1', idempotency_key => 'k'", topic)


def test_an_idempotency_key_gives_one_event_per_topic(connection: Connection) -> None:
    first = publish(connection, "'t', 'k', 'made.v1', '1', idempotency_key => 'once'")
    again = publish(connection, "'t', 'k', 'made.v1', '1', idempotency_key => 'once'")
    other = publish(connection, "'u', 'k', 'made.v1', '3', idempotency_key => 'once'")
    assert first == again != other
    assert [event["payload"] for event in events(connection)] == [b"1", b"3"]
    assert events(connection)[0]["headers"] == {"idempotency-key": "once"}


@pytest.mark.parametrize("commit", [True, False])
def test_a_racing_transaction_with_the_same_key_is_waited_for(
    connection: Connection, database: str, commit: bool
) -> None:
    call = "'t', 'k', 'made.v1', '1', idempotency_key => 'race'"
    answers: list[uuid.UUID] = []
    with connections.connect(database, application="second") as second:
        thread = threading.Thread(target=lambda: answers.append(publish(second, call)))
        second.execute("SET lock_timeout = '60s'")
        with connection.transaction(force_rollback=not commit):
            first = publish(connection, call)
            thread.start()
            with connections.connect(database, application="watch") as watch:
                name = watch.info.dbname
                wait_until(lambda: watch.execute(WAITS, (name,)).fetchone() == (1,), 10, "it waits")
        thread.join(patient(10))
    assert (answers == [first]) is commit
    assert [event["event_id"] for event in events(connection)] == answers


@pytest.mark.parametrize(
    ("columns", "values", "constraint"),
    [
        ("topic, type", "'no spaces', 'made.v1'", "event_topic_is_a_kafka_topic"),
        ("topic, type", "'..', 'made.v1'", "event_topic_is_a_kafka_topic"),
        ("topic, type", "repeat('x', 250), 'made.v1'", "event_topic_is_a_kafka_topic"),
        ("topic, type", "'outbox.shards', 'made.v1'", "event_topic_is_not_internal"),
        ("topic, type", "'outbox_shards', 'made.v1'", "event_topic_is_not_internal"),
        ("topic, type", "'__consumer_offsets', 'made.v1'", "event_topic_is_not_internal"),
        ("topic, type", "'__transaction_state', 'made.v1'", "event_topic_is_not_internal"),
        ("topic, type", "'__share_group_state', 'made.v1'", "event_topic_is_not_internal"),
        ("topic, type", "'__cluster_metadata', 'made.v1'", "event_topic_is_not_internal"),
        ("topic, type", "'t', ''", "event_type_is_short"),
        ("topic, type, headers", "'t', 'v', '[]'", "event_headers_are_an_object"),
        ("topic, type, content_type", "'t', 'v', ''", "event_content_type_is_not_empty"),
    ],
)
def test_what_kafka_would_refuse_is_refused_by_name(
    connection: Connection, columns: str, values: str, constraint: str
) -> None:
    order = f"INSERT INTO outbox.event ({columns}) VALUES ({values})"  # noqa: S608  of this file
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        connection.execute(order.encode())
    assert caught.value.diag.constraint_name == constraint


@pytest.mark.parametrize(
    "content_type",
    [
        "application/cloudevents+json",
        "Application/CloudEvents-Batch+JSON; charset=UTF-8",
        " \tapplication/cloudevents",
    ],
)
def test_a_content_type_that_says_the_payload_is_the_event_is_refused(
    connection: Connection, content_type: str
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        publish(connection, "'t', 'k', 'made.v1', '1', content_type => %s", content_type)
    assert caught.value.diag.constraint_name == "event_content_type_is_not_of_cloudevents"


SECRET = ("topic", "key", "type", "payload", "headers", "shard", "xid")


@pytest.fixture
def writer(connection: Connection) -> Iterator[Connection]:
    """The session of a user who is a writer and nothing else."""
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL ROLE outbox_writer")
        yield connection


def test_a_writer_publishes_and_inserts(writer: Connection) -> None:
    publish(writer, "'t', 'k', 'made.v1', '1', idempotency_key => 'mine'")
    publish(writer, "'t', 'k', 'made.v1', '1', idempotency_key => 'mine'", name="publish_bytes")
    writer.execute("INSERT INTO outbox.event (topic, key, type) VALUES ('t', 'k', 'made.v1')")


def test_a_writer_has_what_the_database_filled_in_returned(writer: Connection) -> None:
    row = writer.execute(
        "INSERT INTO outbox.event (topic, key, type, payload) VALUES ('t', 'k', 'v', 'x') "
        "RETURNING id, event_id, created_at, content_type"
    ).fetchone()
    assert row is not None
    assert row[3] == "application/octet-stream"
    row = writer.execute(
        "INSERT INTO outbox.command (type, key, actor, payload) VALUES ('t', 'k', 'a', '{}') "
        "RETURNING command_id, payload, status, submitted_at"
    ).fetchone()
    assert row is not None
    assert row[1:3] == ({}, "queued")


@pytest.mark.parametrize(
    "order",
    [
        *(f"SELECT {column} FROM outbox.event" for column in SECRET),  # noqa: S608  of this file
        "INSERT INTO outbox.event (topic, type) VALUES ('t', 'v') RETURNING payload",
        "INSERT INTO outbox.event (topic, type, id) VALUES ('t', 'v', 1)",
        "INSERT INTO outbox.event (topic, type, xid) VALUES ('t', 'v', '3')",
        "INSERT INTO outbox.event (topic, type, horizon) VALUES ('t', 'v', '3')",
        "INSERT INTO outbox.event (topic, type, created_at) VALUES ('t', 'v', now())",
        "SELECT * FROM outbox.event",
        "UPDATE outbox.event SET topic = 't'",
        "DELETE FROM outbox.event",
        "SELECT * FROM outbox.idempotency_key",
        "SELECT setval('outbox.event_id_seq', 1)",
        "SELECT outbox.drop_partition(current_date)",
    ],
)
def test_a_writer_may_do_no_more(writer: Connection, order: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        writer.execute(order.encode())


def test_a_row_draws_its_id_after_its_transaction_has_its_xid(connection: Connection) -> None:
    connection.execute("INSERT INTO outbox.event (topic, type) VALUES ('t', 'v')")
    row = connection.execute(
        "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef JOIN pg_attribute "
        "ON attrelid = adrelid AND attnum = adnum "
        "WHERE adrelid = 'outbox.event'::regclass AND attname = 'id'"
    ).fetchone()
    assert row is not None
    assert row[0].index("pg_current_xact_id") < row[0].index("nextval")
    assert row[0].strip().startswith("CASE")


def test_schema_and_program_agree_on_the_shards(connection: Connection) -> None:
    counted = connection.execute("SELECT outbox.shard_count()").fetchone()
    assert counted == (SHARDS,)
    connection.execute(
        "INSERT INTO outbox.event (topic, key, type) "
        "SELECT 't', 'key ' || n, 'v' FROM generate_series(1, 500) AS n"
    )
    rows = connection.execute("SELECT DISTINCT shard FROM outbox.event ORDER BY 1").fetchall()
    assert [shard for (shard,) in rows] == list(range(SHARDS))
