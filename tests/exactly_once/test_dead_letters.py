"""Events that Kafka never takes leave the way: the ledger, redrives in order and once, discards."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from tests.harness.letter_rounds import INSERT, ask, let_in
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.harness.cluster import Cluster

pytestmark = pytest.mark.slow

LETTERS: Final = """
    SELECT letter.event_id::text, letter.code, letter.behind::text, letter.state
    FROM outbox.dead_letter AS letter ORDER BY letter.id"""
ORDER: Final = "SELECT state, outcome FROM outbox.dead_letter_order WHERE request = %s"
PARK: Final = "SELECT outbox.park(event_id => %s, reason => 'it waits')"
PARK_TOPIC: Final = "SELECT outbox.park(topic => %s)"
PARK_KEY: Final = "SELECT outbox.park(topic => %s, key => %s)"
REDRIVE: Final = "SELECT outbox.redrive(topic => %s)"
REDRIVE_TO: Final = "SELECT outbox.redrive(event_id => %s, to_topic => %s, rate => 1000)"
COUNT_WAITING: Final = "SELECT sum(events)::bigint FROM outbox.lag"
DECIDED_LONG_AGO: Final = """
    UPDATE outbox.dead_letter_event SET decided_at = decided_at - interval '9 days' RETURNING id"""
DELETE: Final = "DELETE FROM outbox.event WHERE event_id = %s RETURNING id"
DISCARD: Final = "SELECT outbox.discard(event_id => %s)"

SMALL: Final = b"{}"
LARGE: Final = random.Random(1).randbytes(9_000)


def write(cluster: Cluster, topic: str, key: str | None, payload: bytes = SMALL) -> str:
    """One event in its own transaction; its event id."""
    values = {"topic": topic, "key": key, "payload": payload}
    return str(ask(cluster, INSERT, values)[0][0])


def order(cluster: Cluster, statement: str, *values: str) -> int:
    """Ask for something; the request."""
    ((request,),) = ask(cluster, statement, values)
    return int(request)


def await_order(cluster: Cluster, request: int) -> list[tuple[Any, ...]]:
    """What came of all of a request, once it has ended."""
    return wait_until(
        lambda: [each for each in ask(cluster, ORDER, (request,)) if each[0] != "open"],
        20,
        "the order is carried out",
    )


def await_letters(cluster: Cluster, *wanted: tuple[str, str, str | None, str]) -> None:
    """Wait until the ledger holds just these."""
    wait_until(lambda: ask(cluster, LETTERS) == list(wanted), 20, f"the ledger holds {wanted}")


def await_read(cluster: Cluster, *events: str) -> None:
    """Wait until a subscriber has read them."""
    wait_until(lambda: cluster.subscriber.has_all(set(events)), 20, "the events are read")


def times_read(cluster: Cluster, events: Iterable[str]) -> list[int]:
    """How often each was read."""
    read = [each.event_id for each in tuple(cluster.subscriber.received)]
    return [read.count(each) for each in events]


def is_refused(cluster: Cluster, event: str) -> bool:
    """Whether an order to park an event is refused at once; else the worker has to refuse it."""
    try:
        request = order(cluster, PARK, event)
    except psycopg.errors.NoDataFound:
        return True
    assert await_order(cluster, request) == [("failed", "it was published before")]
    return False


def test_a_poison_event_and_its_followers_leave_the_way_until_they_are_redriven(
    cluster: Cluster,
) -> None:
    narrow = f"{cluster.name}.narrow"
    cluster.listen_to({narrow: 2}, **{"max.message.bytes": "3000"})
    workers = [cluster.worker(on_refused="park:*.narrow") for _ in range(2)]
    cluster.await_shards()
    before = write(cluster, narrow, "k")
    poison = write(cluster, narrow, "k", LARGE)
    behind = write(cluster, narrow, "k")
    other = [write(cluster, cluster.topics[0], key) for key in ("k", "l", "m")]
    await_read(cluster, before, *other)
    code = "MSG_SIZE_TOO_LARGE"
    await_letters(cluster, (poison, code, None, "parked"), (behind, "BEHIND", poison, "parked"))
    # Refused once more, it stays where it is.
    ((state, outcome),) = await_order(cluster, order(cluster, REDRIVE, narrow))
    assert state == "failed"
    assert "0 redriven, 1 refused: MSG_SIZE_TOO_LARGE" in outcome
    late = write(cluster, narrow, "k")
    wait_until(lambda: len(ask(cluster, LETTERS)) == 3, 20, "what is late is behind, too")
    let_in(cluster, narrow, "20000")
    assert await_order(cluster, order(cluster, REDRIVE, narrow)) == [("done", "3 redriven")]
    newest = write(cluster, narrow, "k")
    await_read(cluster, poison, behind, late, newest)
    assert [each[3] for each in ask(cluster, LETTERS)] == ["redriven"] * 3
    assert all(each.alive for each in workers)
    cluster.assert_exactly_once(least=8)


def test_events_of_a_missing_topic_are_parked_by_hand_and_discarded(cluster: Cluster) -> None:
    missing = f"{cluster.name}.missing"
    cluster.worker()
    cluster.await_shards()
    held, behind = write(cluster, missing, "k"), write(cluster, missing, "k")
    alone = write(cluster, missing, None)
    request = order(cluster, PARK, held)
    assert await_order(cluster, request) == [("done", "parked")]
    await_letters(cluster, (held, "ORDERED", None, "parked"), (behind, "BEHIND", held, "parked"))
    flows = write(cluster, cluster.topics[0], "k")
    await_read(cluster, flows)
    wait_until(lambda: is_refused(cluster, flows), 20, "what is published cannot be parked")
    # All of the topic, also what is still to come, until it is redriven.
    order(cluster, PARK_TOPIC, missing)
    wait_until(lambda: len(ask(cluster, LETTERS)) == 3, 20, "what has no key is parked")
    later = write(cluster, missing, "other")
    wait_until(lambda: len(ask(cluster, LETTERS)) == 4, 20, "so is what comes later")
    assert ask(cluster, DISCARD, (alone,)) == [(1,)]
    ((state, outcome),) = await_order(cluster, order(cluster, REDRIVE_TO, held, cluster.topics[1]))
    assert (state, outcome) == ("done", "1 redriven")
    cluster.listen_to({missing: 1})
    await_order(cluster, order(cluster, REDRIVE, missing))
    newest = write(cluster, missing, "k")
    await_read(cluster, behind, later, held, newest)
    assert times_read(cluster, (held, behind, alone, later, newest, flows)) == [1, 1, 0, 1, 1, 1]
    moved = [each.topic for each in cluster.subscriber.received if each.event_id == held]
    assert moved == [cluster.topics[1]]


def test_a_parked_event_that_was_deleted_stops_no_worker(cluster: Cluster) -> None:
    narrow = f"{cluster.name}.narrow"
    cluster.listen_to({narrow: 1}, **{"max.message.bytes": "3000"})
    worker = cluster.worker(on_refused="park")
    poison = write(cluster, narrow, "k", LARGE)
    code = "MSG_SIZE_TOO_LARGE"
    await_letters(cluster, (poison, code, None, "parked"))
    wait_until(lambda: ask(cluster, COUNT_WAITING) == [(0,)], 20, "the position has passed it")
    ask(cluster, DELETE, (poison,))
    assert worker.stop() == 0
    worker = cluster.worker(on_refused="park")
    cluster.await_shards()
    flows = write(cluster, cluster.topics[0], "l")
    await_read(cluster, flows)
    assert not worker.said("history_lost")
    ((state, outcome),) = await_order(cluster, order(cluster, REDRIVE, narrow))
    assert state == "failed"
    assert "discard it" in outcome
    assert ask(cluster, DISCARD, (poison,)) == [(1,)]
    newest = write(cluster, narrow, "k")
    await_read(cluster, newest)
    ask(cluster, DECIDED_LONG_AGO)
    cluster.run("purge", "--older-than-days", "1")
    assert ask(cluster, LETTERS) == []
    assert worker.stop() == 0
    cluster.worker()
    cluster.await_shards()
    await_read(cluster, write(cluster, narrow, "k"))


def test_a_key_is_parked_by_hand_where_something_of_it_waits(cluster: Cluster) -> None:
    missing = f"{cluster.name}.missing"
    cluster.worker()
    cluster.await_shards()
    nothing = order(cluster, PARK_KEY, missing, "k")
    assert await_order(cluster, nothing) == [("done", "no event of the key waited")]
    held, behind = write(cluster, missing, "k"), write(cluster, missing, "k")
    assert await_order(cluster, order(cluster, PARK_KEY, missing, "k")) == [("done", "parked")]
    await_letters(cluster, (held, "ORDERED", None, "parked"), (behind, "BEHIND", held, "parked"))
