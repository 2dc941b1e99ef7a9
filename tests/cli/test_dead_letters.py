"""`outbox-worker dead-letters`, from the alarm to the last event in its topic, by a real worker."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from tests.doctor.conftest import login, of
from tests.exactly_once.test_topics import let_pass
from tests.harness.cluster import free_address
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from outbox_worker.stores import Connection
    from tests.cli.conftest import CliCluster
    from tests.harness.workers import Worker

pytestmark = pytest.mark.slow

INSERT: Final = """
    INSERT INTO outbox.event (topic, key, type, payload)
    VALUES (%(topic)s, %(key)s, 'thing.changed.v1', %(payload)s) RETURNING event_id::text"""
STATES: Final = """
    SELECT told.state FROM outbox.event
    CROSS JOIN LATERAL outbox.event_state(event.event_id) AS told WHERE topic = %s ORDER BY id"""
LOSE_THE_REDRIVE: Final = """
    WITH last AS (
        UPDATE outbox.dead_letter_event SET state = 'parked', decided_by = NULL, decided_at = NULL
        WHERE state = 'redriven' RETURNING shard
    )
    UPDATE outbox.dead_letter_shard SET number = number - 1 WHERE shard IN (SELECT shard FROM last)
"""
MOVE: Final = "UPDATE outbox.event SET topic = %s WHERE event_id = %s"
FORGE_A_REDRIVE: Final = (
    "UPDATE outbox.dead_letter_event SET state = 'redriven' WHERE event_id = %s"
)
COUNT_OPEN: Final = "SELECT count(*) FROM outbox.dead_letter WHERE state = 'parked'"
SMALL: Final = {"max.message.bytes": "20000"}
LARGE: Final = random.Random(4).randbytes(50_000)
PARK_S: Final = 30.0


def write(cluster: CliCluster, topic: str, key: str | None, payload: bytes = b"{}") -> str:
    """One event in a transaction of its own; its id."""
    with psycopg.connect(cluster.url) as link:
        given = {"topic": topic, "key": key, "payload": payload}
        row = link.execute(INSERT, given).fetchone()
    assert row is not None
    return str(row[0])


def letters(cluster: CliCluster, *options: str) -> dict[str, Any]:
    """What `list --json` says."""
    done = cluster.command("dead-letters", "list", "--json", *options)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def decide(cluster: CliCluster, *words: str, code: int = 0) -> str:
    """Run `dead-letters` with these words; all that it printed."""
    done = cluster.command("dead-letters", *words)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def await_parked(cluster: CliCluster, events: int) -> None:
    """Wait until so many are open."""
    with psycopg.connect(cluster.url, autocommit=True) as link:
        wait_until(
            lambda: link.execute(COUNT_OPEN).fetchone() == (events,),
            PARK_S,
            f"{events} are parked",
        )


def verified(cluster: CliCluster, code: int = 0) -> dict[str, Any]:
    """What `verify --json` says."""
    done = cluster.command("verify", "--json")
    assert done.returncode == code, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def states(cluster: CliCluster, topic: str) -> list[str]:
    """The states of the topic's events, as their writer sees them."""
    with psycopg.connect(cluster.url) as link:
        return [state for (state,) in link.execute(STATES, (topic,))]


def read(cluster: CliCluster, topic: str, key: str | None) -> list[str]:
    """The event ids that a subscriber has read of a topic and key, in their order."""
    received = tuple(cluster.subscriber.received)
    return [each.event_id for each in received if (each.topic, each.key) == (topic, key)]


def small_topic(cluster: CliCluster) -> str:
    """A topic that takes small records only."""
    topic = f"{cluster.name}.small"
    cluster.listen_to({topic: 1}, **SMALL)
    return topic


def serving(cluster: CliCluster, **settings: str) -> Worker:
    """A worker with all shards."""
    worker = cluster.worker(**settings)
    cluster.await_shards()
    return worker


def test_a_poison_event_is_parked_with_its_followers_and_all_else_flows(
    cluster: CliCluster,
) -> None:
    topic = small_topic(cluster)
    worker = serving(cluster, on_refused="park", http_address=free_address())
    ids = [write(cluster, topic, "k", each) for each in (b"1", LARGE, b"3")]
    await_parked(cluster, 2)
    write(cluster, topic, "k", b"4")
    others = [write(cluster, topic, f"other {n}") for n in range(20)] + cluster.write(*"abcdef")
    wait_until(lambda: cluster.subscriber.has_all([ids[0], *others]), PARK_S, "all else flows")
    await_parked(cluster, 3)
    (found,) = letters(cluster)["sequences"]
    assert (found["topic"], found["key"], found["events"]) == (topic, "k", 3)
    assert (found["event_id"], found["code"]) == (ids[1], "MSG_SIZE_TOO_LARGE")
    assert states(cluster, topic)[:4] == ["published", *["parked"] * 3]
    wait_until(lambda: cluster.waiting() == 0, PARK_S, "what is parked is no lag")
    counts = verified(cluster)
    assert (counts["parked"], counts["waiting"], counts["lost"]) == (3, 0, 0)
    wait_until(
        lambda: worker.metrics().value("outbox_dead_letters", topic=topic) == 3,
        PARK_S,
        "the gauge shows them",
    )
    assert worker.metrics().value("outbox_dead_letter_oldest_age_seconds") > 0
    assert worker.metrics().value("outbox_events_parked_total", topic=topic) == 3
    assert "3 events in 1 sequences" in of(cluster).look("group.dead_letters").seen
    shown = decide(cluster, "show", ids[1])
    assert "max.message.bytes" in shown
    assert "2 behind it" in shown


def test_a_sequence_is_redriven_in_order_once_it_is_mended_and_its_key_flows(
    cluster: CliCluster,
) -> None:
    topic = small_topic(cluster)
    serving(cluster, on_refused="park")
    ids = [write(cluster, topic, "k", each) for each in (b"1", LARGE, b"3")]
    await_parked(cluster, 2)
    plan = decide(cluster, "redrive", "--event", ids[2])
    assert f"2, first {ids[1]}" in plan
    assert f"mend event {ids[1]} first" in decide(cluster, "show", ids[2])
    assert "1 refused" in decide(cluster, "redrive", "--topic", topic, "--execute", code=1)
    assert [each["attempts"] for each in letters(cluster, "--events")["events"]] == [1, 0]
    let_pass(cluster, topic, 100_000)
    plan = decide(cluster, "redrive", "--topic", topic, "--key", "k")
    assert "2 events are to be redriven" in plan
    assert "nothing is changed" in plan
    assert letters(cluster, "--events")["total"] == 2
    done = decide(cluster, "redrive", "--topic", topic, "--key", "k", "--execute")
    assert "2 redriven" in done
    assert "no worker that publishes" not in done
    ids.append(write(cluster, topic, "k", b"4"))
    wait_until(lambda: len(read(cluster, topic, "k")) == 4, PARK_S, "the key flows again")
    assert read(cluster, topic, "k") == ids
    assert letters(cluster)["total"] == 0
    cluster.assert_exactly_once(least=4)
    counts = verified(cluster)
    assert (counts["parked"], counts["found"]) == (0, counts["events"])


def test_a_discarded_event_leaves_its_followers_parked_and_is_counted_apart(
    cluster: CliCluster,
) -> None:
    topic = small_topic(cluster)
    serving(cluster, on_refused=f"park:{topic},block")
    ids = [write(cluster, topic, "k", each) for each in (LARGE, b"2", b"3")]
    alone = write(cluster, topic, None, LARGE)
    await_parked(cluster, 4)
    assert letters(cluster)["total"] == 2
    assert "nothing is changed" in decide(cluster, "discard", "--event", ids[0])
    assert letters(cluster, "--events")["total"] == 4
    done = decide(cluster, "discard", "--event", ids[0], "--execute")
    assert "1 events are discarded" in done
    assert "2 events stay parked behind it" in done
    assert f"redrive --topic {topic} --key k --execute" in done
    decide(cluster, "redrive", "--event", ids[2], "--execute")
    wait_until(lambda: len(read(cluster, topic, "k")) == 2, PARK_S, "the followers are read")
    assert read(cluster, topic, "k") == ids[1:]
    assert states(cluster, topic) == ["discarded", "published", "published", "parked"]
    counts = verified(cluster)
    assert (counts["parked"], counts["discarded"], counts["lost"]) == (1, 1, 0)
    # An event that the ledger calls redriven, and that is in no topic, is lost.
    with psycopg.connect(cluster.url) as link:
        link.execute(FORGE_A_REDRIVE, (alone,))
    assert verified(cluster, code=1)["lost"] == 1


def test_events_are_redriven_to_another_topic_once_and_in_order(cluster: CliCluster) -> None:
    topic, other = small_topic(cluster), cluster.topics[0]
    serving(cluster, on_refused="park")
    own = [write(cluster, other, "k", b"own") for _ in range(2)]
    ids = [write(cluster, topic, "k", each) for each in (LARGE, b"2", b"3")]
    await_parked(cluster, 3)
    wait_until(lambda: cluster.subscriber.has_all(own), PARK_S, "the other topic has its own")
    own.append(write(cluster, other, "k", b"newer"))
    wait_until(lambda: cluster.subscriber.has_all(own), PARK_S, "and a newer one")
    decide(cluster, "redrive", "--event", ids[2], "--to-topic", other, "--rate", "50", "--execute")
    wait_until(lambda: len(read(cluster, other, "k")) == 6, PARK_S, "they are read there")
    assert read(cluster, other, "k") == [*own, *ids]
    counts = verified(cluster)
    assert (counts["lost"], counts["duplicated"], counts["out_of_order"]) == (0, 0, 0)
    assert (counts["strangers"], counts["found"]) == (0, 6)
    # A redrive publishes an event as it stands in the table, and the ledger does not follow it.
    with psycopg.connect(cluster.url) as link:
        link.execute(MOVE, (cluster.topics[1], ids[0]))
    counts = verified(cluster)
    assert (counts["strangers"], counts["found"], counts["lost"]) == (0, 6, 0)
    assert "was redriven" in decide(cluster, "redrive", "--event", ids[0], code=1)
    assert f"to topic {other}" in decide(cluster, "show", ids[0])


def test_a_missing_topic_is_parked_by_hand_and_redriven_once_it_is_there(
    cluster: CliCluster,
) -> None:
    topic = f"{cluster.name}.missing"
    worker = serving(cluster)
    ids = [write(cluster, topic, "k") for _ in range(3)]
    wait_until(lambda: worker.said("shard_held"), PARK_S, "the worker holds the shard")
    plan = decide(cluster, "park", "--topic", topic)
    assert "3 waiting events" in plan
    assert letters(cluster)["total"] == 0
    done = decide(cluster, "park", "--topic", topic, "--reason", "not yet", "--execute")
    assert "nothing of the topic waits" in done
    same_shard = write(cluster, cluster.topics[0], "k")
    wait_until(lambda: cluster.subscriber.has_all([same_shard]), PARK_S, "the shard flows")
    ids.append(write(cluster, topic, "k"))
    await_parked(cluster, 4)
    found = letters(cluster, "--events")
    assert [each["topic"] for each in found["topics_parked"]] == [topic]
    assert found["events"][0]["reason"] == "not yet"
    early = decide(cluster, "redrive", "--topic", topic, "--key", "k", "--execute", code=1)
    assert "the topic does not exist" in early
    assert letters(cluster)["sequences"][0]["code"] == "TOPIC_CLOSED"
    cluster.listen_to({topic: 1})
    decide(cluster, "redrive", "--topic", topic, "--execute")
    ids.append(write(cluster, topic, "k"))
    wait_until(lambda: len(read(cluster, topic, "k")) == 5, PARK_S, "all are read")
    assert read(cluster, topic, "k") == ids
    assert letters(cluster)["topics_parked"] == []
    assert "does not wait" in decide(cluster, "park", "--event", ids[0], code=1)
    cluster.assert_exactly_once(least=6)


def test_rebase_leaves_dead_letters_aside_and_mends_what_the_ledger_lost(
    cluster: CliCluster, connection: Connection
) -> None:
    topic = small_topic(cluster)
    worker = serving(cluster, on_refused="park")
    first = [write(cluster, topic, "a", LARGE), write(cluster, topic, "a")]
    second = [write(cluster, topic, "b", LARGE), write(cluster, topic, "b")]
    await_parked(cluster, 4)
    let_pass(cluster, topic, 100_000)
    decide(cluster, "redrive", "--topic", topic, "--key", "a", "--execute")
    assert worker.stop() == 0
    with psycopg.connect(cluster.url) as link:
        # As a fail-over does that loses what the ledger learnt last.
        link.execute(LOSE_THE_REDRIVE)
    await_parked(cluster, 4)
    refusing = cluster.worker(on_refused="park")
    wait_until(lambda: refusing.said("history_lost"), PARK_S, "the worker refuses")
    with login(connection, "outbox_operator") as url:
        done = cluster.command("rebase", "--execute", database_url=url)
    assert done.returncode == 0, done.stderr
    assert [each["event_id"] for each in letters(cluster)["sequences"]] == [second[0]]
    cluster.await_shards()
    last = write(cluster, topic, "b")
    await_parked(cluster, 3)
    decide(cluster, "redrive", "--all", "--execute")
    wait_until(lambda: len(read(cluster, topic, "b")) == 3, PARK_S, "all are read")
    assert read(cluster, topic, "b") == [*second, last]
    assert read(cluster, topic, "a") == first
    cluster.assert_exactly_once(least=5)
    assert verified(cluster)["lost"] == 0


def test_without_a_worker_a_redrive_is_asked_for_and_the_command_says_so(
    cluster: CliCluster,
) -> None:
    topic = small_topic(cluster)
    worker = serving(cluster, on_refused="park")
    event = write(cluster, topic, "k", LARGE)
    await_parked(cluster, 1)
    assert worker.stop() == 0
    let_pass(cluster, topic, 100_000)
    said = decide(cluster, "redrive", "--event", event, "--wait", "1", "--execute", code=1)
    assert "No worker has carried it out" in said
    assert said.count("no worker that publishes is connected") == 2
    assert "outbox-worker status" in said
    serving(cluster)
    wait_until(lambda: read(cluster, topic, "k") == [event], PARK_S, "the next worker does it")
