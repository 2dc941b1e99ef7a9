"""What writers may rely on: publish(), plain INSERT, idempotency, rights."""

from __future__ import annotations

import json
import threading
import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from outbox_worker import database as connections
from tests.harness.waiting import patient, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outbox_worker.database import Connection

WAITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"


def publish(link: Connection, text: str, *parameters: object) -> uuid.UUID:
    call = f"SELECT outbox.publish({text})"
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
    publish(connection, """topic => 't', payload => '{"a": 1}', key => 'k', type => 'made.v1'""")
    publish(connection, "'t', 'k', 'made.v1', convert_to('{\"a\": 1}', 'UTF8')")
    assert [event["payload"] for event in events(connection)] == [b'{"a": 1}'] * 5


def test_null_is_a_tombstone_and_json_null_is_not(connection: Connection) -> None:
    publish(connection, "'t', 'k', 'gone.v1', NULL")
    publish(connection, "'t', NULL, 'gone.v1', NULL::bytea")
    publish(connection, "'t', 'k', 'null.v1', 'null'")
    assert [event["payload"] for event in events(connection)] == [None, None, b"null"]
    assert events(connection)[1]["key"] is None


def test_the_given_event_id_headers_and_content_type_are_kept(connection: Connection) -> None:
    given = uuid.uuid4()
    headers = {"traceparent": "00-1-2-03", "correlation-id": "c"}
    found = publish(
        connection,
        "'t', 'k', 'made.v1', '\\x00ff'::bytea, %s, headers => %s, content_type => 'x/y'",
        given,
        json.dumps(headers),
    )
    assert found == given
    (event,) = events(connection)
    assert (event["event_id"], event["headers"]) == (given, headers)
    assert (event["payload"], event["content_type"]) == (b"\x00\xff", "x/y")


def test_an_idempotency_key_gives_one_event_per_topic(connection: Connection) -> None:
    first = publish(connection, "'t', 'k', 'made.v1', '1', idempotency_key => 'once'")
    again = publish(connection, "'t', 'k', 'made.v1', '2', idempotency_key => 'once'")
    other = publish(connection, "'u', 'k', 'made.v1', '3', idempotency_key => 'once'")
    assert first == again != other
    assert [event["payload"] for event in events(connection)] == [b"1", b"3"]
    assert events(connection)[0]["headers"] == {"idempotency-key": "once"}


@pytest.mark.parametrize("commit", [True, False])
def test_a_racing_transaction_with_the_same_key_is_waited_for(
    connection: Connection, database: str, commit: bool
) -> None:
    call = "'t', 'k', 'made.v1', %s, idempotency_key => 'race'"
    answers: list[uuid.UUID] = []
    with connections.connect(database, application="second") as second:
        thread = threading.Thread(target=lambda: answers.append(publish(second, call, "2")))
        with connection.transaction(force_rollback=not commit):
            first = publish(connection, call, "1")
            thread.start()
            with connections.connect(database, application="watch") as watch:
                name = watch.info.dbname
                wait_until(lambda: watch.execute(WAITS, (name,)).fetchone() == (1,), 10, "it waits")
        thread.join(patient(10))
    assert (answers == [first]) is commit
    assert [event["payload"] for event in events(connection)] == [b"1" if commit else b"2"]


@pytest.mark.parametrize(
    ("columns", "values", "constraint"),
    [
        ("topic, type", "'no spaces', 'made.v1'", "event_topic_is_a_kafka_topic"),
        ("topic, type", "'..', 'made.v1'", "event_topic_is_a_kafka_topic"),
        ("topic, type", "repeat('x', 250), 'made.v1'", "event_topic_is_a_kafka_topic"),
        ("topic, type", "'outbox.shards', 'made.v1'", "event_topic_is_not_internal"),
        ("topic, type", "'__consumer_offsets', 'made.v1'", "event_topic_is_not_internal"),
        ("topic, type", "'__transaction_state', 'made.v1'", "event_topic_is_not_internal"),
        ("topic, type", "'__share_group_state', 'made.v1'", "event_topic_is_not_internal"),
        ("topic, type", "'__cluster_metadata', 'made.v1'", "event_topic_is_not_internal"),
        ("topic, type", "'t', ''", "event_type_is_not_empty"),
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


OURS = "event_headers_leave_ours_alone"
ATTRIBUTES = "event_headers_of_cloudevents_are_attributes"


def insert_headers(link: Connection, headers: str) -> str:
    """One event with these headers; the name of the constraint that refuses it, if any."""
    try:
        link.execute(
            "INSERT INTO outbox.event (topic, type, headers) VALUES ('t', 'v', %s)", (headers,)
        )
    except psycopg.errors.CheckViolation as error:
        return error.diag.constraint_name or ""
    return ""


@pytest.mark.parametrize(
    ("headers", "constraint"),
    [
        *((f'{{"{name}": "x"}}', OURS) for name in ("ce_id", "CE_ID", "Ce_Specversion", "ce_data")),
        *((f'{{"{name}": "x"}}', OURS) for name in ("Content-Type", "content-type")),
        ('{"a": "b", "ce_DataContentType": "x"}', OURS),
        *(
            (f'{{"{name}": "x"}}', ATTRIBUTES)
            for name in ("ce_my-ext", "ce_", "CE_tenant", "ce_Tenant", "ce_data_base64", "ce_ä")
        ),
        (f'{{"ce_{21 * "a"}": "x"}}', ATTRIBUTES),
        (r'{"ce_a\n": "x"}', ATTRIBUTES),
        ('{"ce_tenant": null}', ATTRIBUTES),
        ('{"ce_tenant": ""}', ATTRIBUTES),
        ('{"": "x"}', "event_headers_have_names"),
        (f'{{"a": "{65_536 * "x"}"}}', "event_headers_are_at_most_64_kb"),
        ('{"a": 1e70000}', "event_headers_are_at_most_64_kb"),
        (32 * '{"a":' + "1" + 32 * "}", "event_headers_are_at_most_32_deep"),
        ('{"a":' + 3_000 * "[" + 3_000 * "]" + "}", "event_headers_are_at_most_32_deep"),
        ("1", "event_headers_are_an_object"),
    ],
)
def test_headers_that_readers_stumble_over_are_refused_by_name(
    connection: Connection, headers: str, constraint: str
) -> None:
    assert insert_headers(connection, headers) == constraint


@pytest.mark.parametrize(
    "headers",
    [
        *("null", "{}", '{"a": null}', '{"a": 1e5000}', '{"ce": "x", "ceremony": "x"}'),
        *('{"ce_tenant": "x", "ce_dataschema": "y"}', '{"ce_n": 0, "ce_b": false}'),
        *('{"a": "\\"ce_id", "content-types": "content-type"}', '{"Idempotency-Key": "k"}'),
        f'{{"ce_{20 * "a"}": "x"}}',
        31 * '{"a":' + "1" + 31 * "}",
        f'{{"a": "{65_000 * "x"}"}}',
    ],
)
def test_headers_that_readers_take_are_taken(connection: Connection, headers: str) -> None:
    assert not insert_headers(connection, headers)


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


@pytest.fixture
def writer(connection: Connection) -> Iterator[Connection]:
    """The session of a user who is a writer and nothing else."""
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL ROLE outbox_writer")
        yield connection


def test_a_writer_publishes_and_inserts(writer: Connection) -> None:
    publish(writer, "'t', 'k', 'made.v1', '1', idempotency_key => 'mine'")
    writer.execute("INSERT INTO outbox.event (topic, key, type) VALUES ('t', 'k', 'made.v1')")


@pytest.mark.parametrize(
    "order",
    [
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
