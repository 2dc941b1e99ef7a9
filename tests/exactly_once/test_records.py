"""What arrives is what was written: headers, keys, payloads of every kind and size."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from tests.harness.checker import judge
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from tests.harness.scene import Scene
    from tests.harness.subscriber import Received

pytestmark = pytest.mark.slow

INSERT: Final = """
    INSERT INTO outbox.event (topic, key, type, payload)
    VALUES (%(topic)s, %(key)s, 'thing.changed.v1', %(payload)s) RETURNING event_id::text"""
PUBLISH: Final = """
    SELECT outbox.publish(topic => %(topic)s, key => %(key)s, type => 'thing.changed.v1',
        payload => %(payload)s::jsonb, event_id => NULL, idempotency_key => %(once)s,
        headers => %(headers)s::jsonb, content_type => %(content_type)s)::text"""
CREATED_AT: Final = """
    SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    FROM outbox.event WHERE event_id = %s"""

TRACE: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def write(scene: Scene, statement: str, **values: Any) -> str:  # noqa: ANN401  any column
    """Run one statement in its own transaction; returns the event id."""
    with psycopg.connect(scene.url) as connection:
        row = connection.execute(statement, {"topic": scene.topics[0], **values}).fetchone()
    assert row is not None
    return str(row[0])


def created_at(scene: Scene, event_id: str) -> str:
    """The time of the row as CloudEvents wants it: RFC 3339 in UTC."""
    with psycopg.connect(scene.url) as connection:
        row = connection.execute(CREATED_AT, (event_id,)).fetchone()
    assert row is not None
    return str(row[0])


def read(scene: Scene, event_id: str) -> Received:
    """The one record of this event."""
    wait_until(lambda: scene.subscriber.has_all({event_id}), 20, "the event is read")
    (found,) = [each for each in scene.subscriber.received if each.event_id == event_id]
    return found


def test_headers_are_those_of_cloudevents_and_of_the_writer(scene: Scene) -> None:
    scene.worker(source="/shop")
    scene.await_whole()
    plain = write(scene, INSERT, key="Ärger/1", payload=b"{}")
    own = {"correlation-id": "c-1", "traceparent": TRACE, "tenant": "nord", "size": 3}
    rich = write(
        scene,
        PUBLISH,
        key=None,
        payload='{"a": 1}',
        once="order-7",
        headers=json.dumps(own),
        content_type="application/vnd.shop+json",
    )
    assert sorted(read(scene, plain).headers) == sorted(
        {
            "ce_specversion": b"1.0",
            "ce_id": plain.encode(),
            "ce_source": b"/shop",
            "ce_type": b"thing.changed.v1",
            "ce_time": created_at(scene, plain).encode(),
            "ce_subject": "Ärger/1".encode(),
            "content-type": b"application/json",
            "idempotency-key": plain.encode(),
        }.items()
    )
    assert sorted(read(scene, rich).headers) == sorted(
        {
            "ce_specversion": b"1.0",
            "ce_id": rich.encode(),
            "ce_source": b"/shop",
            "ce_type": b"thing.changed.v1",
            "ce_time": created_at(scene, rich).encode(),
            "content-type": b"application/vnd.shop+json",
            "idempotency-key": b"order-7",
            "correlation-id": b"c-1",
            "traceparent": TRACE.encode(),
            "tenant": b"nord",
            "size": b"3",
        }.items()
    )


def test_keys_and_payloads_of_every_kind_arrive_untouched(scene: Scene) -> None:
    rng = random.Random(7)
    scene.workers(2)
    payloads = [None, b"", b"\x00\xff not json", "ü".encode() * 1_000, rng.randbytes(900_000)]
    ids = [
        write(scene, INSERT, key=key, payload=payload)
        for key in (None, "", "k", "\N{SNOWMAN}")
        for payload in payloads
    ]
    rows = scene.await_caught_up()
    assert set(ids) == rows.keys()
    assert judge(rows, scene.subscriber.received).kept
    scene.prove(least=len(ids))


def test_one_transaction_of_many_large_events_passes_in_bounded_batches(scene: Scene) -> None:
    noise = random.Random(8).randbytes(900_000)
    with psycopg.connect(scene.url) as connection:
        values = [
            {"topic": scene.topics[0], "key": f"large-{n % 7}", "payload": noise[n:]}
            for n in range(60)
        ]
        connection.cursor().executemany(INSERT, values)
    scene.workers(2)
    scene.prove(least=60)
