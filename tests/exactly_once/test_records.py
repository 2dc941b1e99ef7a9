"""What arrives is what was written: headers, keys, payloads of every kind and size."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
from psycopg import conninfo

from tests.harness.delivery import compare
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from tests.harness.cluster import Cluster
    from tests.harness.subscriber import Received
    from tests.harness.workers import Worker

pytestmark = pytest.mark.slow

INSERT: Final = """
    INSERT INTO outbox.event (topic, key, type, payload)
    VALUES (%(topic)s, %(key)s, 'thing.changed.v1', %(payload)s) RETURNING event_id::text"""
PUBLISH: Final = """
    SELECT outbox.publish(topic => %(topic)s, key => %(key)s, type => 'thing.changed.v1',
        payload => %(payload)s::jsonb, event_id => NULL, idempotency_key => %(once)s,
        headers => %(headers)s::jsonb, content_type => %(content_type)s)::text"""
MEND: Final = "UPDATE outbox.event SET type = 'thing.changed.v1' WHERE event_id = %s"
CREATED_AT: Final = """
    SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    FROM outbox.event WHERE event_id = %s"""

TRACE: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def write(cluster: Cluster, statement: str, **values: Any) -> str:  # noqa: ANN401  any column
    """Run one statement in its own transaction; returns the event id."""
    with psycopg.connect(cluster.url) as connection:
        row = connection.execute(statement, {"topic": cluster.topics[0], **values}).fetchone()
    assert row is not None
    return str(row[0])


def created_at(cluster: Cluster, event_id: str) -> str:
    """The time of the row as CloudEvents wants it: RFC 3339 in UTC."""
    with psycopg.connect(cluster.url) as connection:
        row = connection.execute(CREATED_AT, (event_id,)).fetchone()
    assert row is not None
    return str(row[0])


def read(cluster: Cluster, event_id: str) -> Received:
    """The one record of this event."""
    wait_until(lambda: cluster.subscriber.has_all({event_id}), 20, "the event is read")
    (found,) = [each for each in cluster.subscriber.received if each.event_id == event_id]
    return found


def of_every_record(cluster: Cluster, event_id: str) -> dict[str, bytes]:
    """The headers that no record is without."""
    return {
        "ce_specversion": b"1.0",
        "ce_id": event_id.encode(),
        "ce_source": b"/shop",
        "ce_type": b"thing.changed.v1",
        "ce_time": created_at(cluster, event_id).encode(),
    }


def test_headers_are_those_of_cloudevents_and_of_the_writer(cluster: Cluster) -> None:
    cluster.worker(source="/shop")
    cluster.await_shards()
    plain = write(cluster, INSERT, key="Ärger/1", payload=b"{}")
    own = {"correlation-id": "c-1", "traceparent": TRACE, "tenant": "nord", "size": 3}
    rich = write(
        cluster,
        PUBLISH,
        key=None,
        payload='{"a": 1}',
        once="order-7",
        headers=json.dumps(own),
        content_type="application/vnd.shop+json",
    )
    assert sorted(read(cluster, plain).headers) == sorted(
        {
            **of_every_record(cluster, plain),
            "ce_subject": "Ärger/1".encode(),
            "content-type": b"application/json",
            "idempotency-key": plain.encode(),
        }.items()
    )
    assert sorted(read(cluster, rich).headers) == sorted(
        {
            **of_every_record(cluster, rich),
            "content-type": b"application/vnd.shop+json",
            "idempotency-key": b"order-7",
            "correlation-id": b"c-1",
            "traceparent": TRACE.encode(),
            "tenant": b"nord",
            "size": b"3",
        }.items()
    )


LOGIN: Final = """
    DO $$ BEGIN CREATE ROLE chatty LOGIN IN ROLE outbox_writer;
    EXCEPTION WHEN duplicate_object THEN NULL; END $$"""
SOURCE: Final = "INSERT INTO outbox.source (role, source) VALUES (%s::regrole, %s)"


def write_as(cluster: Cluster, login: str) -> str:
    """Insert one event as this login; returns the event id."""
    url = conninfo.make_conninfo(cluster.url, user=login)
    with psycopg.connect(url) as link:
        given = {"topic": cluster.topics[0], "key": "k", "payload": b"{}"}
        row = link.execute(INSERT, given).fetchone()
    assert row is not None
    return str(row[0])


def source_of(cluster: Cluster, event_id: str) -> str | bytes | None:
    return dict(read(cluster, event_id).headers)["ce_source"]


def test_a_writer_has_the_source_that_the_owner_gave_to_its_login(cluster: Cluster) -> None:
    """Known before the first event; a change is known within seconds."""
    with psycopg.connect(cluster.url, autocommit=True) as owner:
        owner.execute(LOGIN)
        owner.execute(SOURCE, ("chatty", "/chat"))
        first = write_as(cluster, "chatty")
        cluster.worker(source="/shop")
        assert source_of(cluster, first) == b"/chat"
        assert source_of(cluster, write_as(cluster, "postgres")) == b"/shop"
        owner.execute("UPDATE outbox.source SET source = '/talk'")
        wait_until(
            lambda: source_of(cluster, write_as(cluster, "chatty")) == b"/talk", 20, "it is known"
        )
        owner.execute("DELETE FROM outbox.source")
        wait_until(
            lambda: source_of(cluster, write_as(cluster, "chatty")) == b"/shop", 20, "it is known"
        )


OLD_ROW: Final = "ALTER TABLE outbox.event DISABLE TRIGGER validate_event"
DEEP: Final = 3_000 * "[" + 3_000 * "]"


def test_headers_from_before_their_bounds_go_out_digit_by_digit(cluster: Cluster) -> None:
    with psycopg.connect(cluster.url) as connection:
        connection.execute(OLD_ROW)
    worker = cluster.worker()
    cluster.await_shards()
    own = (
        f'{{"CE_ID": "x", "content-Type": "x", "ce_my-ext": "x", "none": null, "deep": {DEEP}, '
        '"large": 1e5000, "exact": 12345678901234567890.123456789, "list": [0.10, {"a": 1}]}'
    )
    odd = write(cluster, PUBLISH, key="", payload="1", once="k", headers=own, content_type="x/y")
    gone = write(cluster, INSERT, key="k", payload=None)
    ours = {"ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"}
    headers = dict(read(cluster, odd).headers)
    assert {name: value for name, value in headers.items() if name not in ours} == {
        "content-type": b"x/y",
        "idempotency-key": b"k",
        "deep": DEEP.encode(),
        "large": b"1" + 5_000 * b"0",
        "exact": b"12345678901234567890.123456789",
        "list": b'[0.10,{"a":1}]',
    }
    names = {name for name, _ in read(cluster, gone).headers}
    assert names == {*ours, "ce_subject", "idempotency-key"}
    assert worker.alive
    cluster.assert_exactly_once(least=2)


def test_an_event_of_which_no_record_can_be_made_holds_its_shard_and_no_other(
    cluster: Cluster,
) -> None:
    with cluster.workload():
        workers = [cluster.worker_failing_on("thing.spoiled.v1") for _ in range(2)]
        cluster.await_shards()
        write(cluster, INSERT, key="waits", payload=b"1")
        event_id = write(cluster, INSERT.replace("changed", "spoiled"), key="waits", payload=b"2")
        behind = write(cluster, INSERT, key="waits", payload=b"3")
        said = wait_until(lambda: held(workers), 20, "a worker says what is held")
        assert (said["event_id"], said["topic"]) == (event_id, cluster.topics[0])
        assert said["reason"] == "LookupError: (hidden; OUTBOX_LOG_VALUES=on shows it)"
        assert f"WHERE id = {said['id']}" in said["hint"]
        cluster.await_new(300)
        assert not cluster.subscriber.has_all({behind})
        with psycopg.connect(cluster.url) as connection:
            connection.execute(MEND, (event_id,))
        wait_until(lambda: cluster.subscriber.has_all({event_id, behind}), 20, "the shard flows")
    assert all(worker.alive for worker in workers)
    cluster.assert_exactly_once()


def held(workers: list[Worker]) -> dict[str, Any]:
    """What was said first of an event that waits; nothing yet where it is empty."""
    said = (line for worker in workers for line in worker.lines())
    return next((line for line in said if line.get("event") == "shard_held"), {})


def test_keys_and_payloads_of_every_kind_arrive_untouched(cluster: Cluster) -> None:
    rng = random.Random(7)
    cluster.workers(2)
    payloads = [None, b"", b"\x00\xff not json", "ü".encode() * 1_000, rng.randbytes(900_000)]
    ids = [
        write(cluster, INSERT, key=key, payload=payload)
        for key in (None, "", "k", "\N{SNOWMAN}")
        for payload in payloads
    ]
    rows = cluster.await_caught_up()
    assert set(ids) == rows.keys()
    assert compare(rows, cluster.subscriber.received).empty
    cluster.assert_exactly_once(least=len(ids))


def test_one_transaction_of_many_large_events_passes_in_bounded_batches(cluster: Cluster) -> None:
    noise = random.Random(8).randbytes(900_000)
    with psycopg.connect(cluster.url) as connection:
        values = [
            {"topic": cluster.topics[0], "key": f"large-{n % 7}", "payload": noise[n:]}
            for n in range(60)
        ]
        connection.cursor().executemany(INSERT, values)
    cluster.workers(2)
    cluster.assert_exactly_once(least=60)
