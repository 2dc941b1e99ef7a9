"""`outbox-worker verify` finds what a broken relay would have done."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from confluent_kafka import Producer
from rich.console import Console

from outbox_worker.cli import verify as cli
from outbox_worker.reconcile.verify import Report
from outbox_worker.stores.verify import TopicVerdict
from tests.harness.lost_history import drop_records
from tests.harness.waiting import patient, wait_until

if TYPE_CHECKING:
    from tests.cli.conftest import CliCluster


def send(cluster: CliCluster, *records: tuple[str, str]) -> None:
    """Records of key and event id, as no worker would write them, into one partition."""
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
    for key, event_id in records:
        headers: list[tuple[str, str | bytes | None]] = [("ce_id", event_id)] if event_id else []
        producer.produce(cluster.topics[0], b"{}", key, 0, headers=headers)
    assert producer.flush(patient(20)) == 0


def verify(cluster: CliCluster, code: int) -> dict[str, Any]:
    done = cluster.command("verify", "--json")
    assert done.returncode == code, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_verify_is_clean_beside_a_worker_that_published_all(cluster: CliCluster) -> None:
    cluster.write(*"abcabcabc")
    cluster.publish_all()
    cluster.write("a", "b")
    found = verify(cluster, 0)
    assert (found["found"], found["waiting"], found["lost"]) == (9, 2, 0)
    done = cluster.command("verify")
    assert done.returncode == 0
    assert "nothing is lost" in done.stdout


TOPIC_IDS = "SELECT topic_id, made_again_at IS NOT NULL FROM outbox.topic WHERE topic = %s"


def test_verify_says_that_a_topic_was_made_again(cluster: CliCluster) -> None:
    topic = cluster.topics[0]

    def known() -> tuple[str, bool] | None:
        with psycopg.connect(cluster.url) as link:
            row = link.execute(TOPIC_IDS, (topic,)).fetchone()
            return row and (row[0], row[1])

    cluster.write(*"abc")
    worker = cluster.worker()
    before = wait_until(known, 30, "the worker has kept the id of the topic")
    assert worker.stop() == 0
    cluster.admin.delete_topics([topic])[topic].result(patient(20))
    wait_until(lambda: not cluster.partitions_of(topic), 30, "the topic is gone")
    cluster.create_topics({topic: 3})
    # No worker has seen it yet.
    for code in (0, 0):
        found = verify(cluster, code)
        assert (found["gone"], found["lost"]) == (3, 0)
        assert list(found["made_again"]) == [topic]
        assert f"topic {topic} was made again" in cluster.command("verify").stdout
        # The second time one has, and has published into it.
        cluster.write("d")
        cluster.workers(1)
        wait_until(lambda: (now := known()) and now != before and now[1], 30, "it is noticed")
        wait_until(lambda: cluster.waiting() == 0, 30, "all is published")
    assert verify(cluster, 0)["found"] == 2


def test_verify_of_an_empty_table_is_clean(cluster: CliCluster) -> None:
    assert verify(cluster, 0)["events"] == 0


def test_verify_counts_events_of_a_topic_that_does_not_exist_as_waiting(
    cluster: CliCluster,
) -> None:
    cluster.topics = [f"{cluster.name}.nowhere"]
    cluster.write("a")
    assert verify(cluster, 0)["waiting"] == 1


def test_verify_finds_an_event_that_is_in_the_topic_twice(cluster: CliCluster) -> None:
    first, second = cluster.write("a", "a")
    send(cluster, ("a", first), ("a", second), ("a", first))
    found = verify(cluster, 1)
    assert (found["duplicated"], found["out_of_order"], found["lost"]) == (1, 0, 0)


WRITE_AGAIN = """
    INSERT INTO outbox.event (topic, key, type, payload, event_id)
    VALUES (%s, 'a', 'order.placed', '{}', %s)"""


def write_again(cluster: CliCluster, event_id: str) -> None:
    """Another event with the id of one that is there, as only a writer can."""
    with psycopg.connect(cluster.url) as link:
        link.execute(WRITE_AGAIN, (cluster.topics[0], event_id))
    cluster.await_all_ended()


def test_verify_tells_what_the_writer_wrote_twice_from_what_was_sent_twice(
    cluster: CliCluster,
) -> None:
    first, second = cluster.write("a", "a")
    cluster.await_all_ended()
    write_again(cluster, first)
    send(cluster, ("a", first), ("a", second), ("a", first))
    found = verify(cluster, 0)
    assert (found["written_twice"], found["duplicated"], found["out_of_order"]) == (1, 0, 0)
    assert (found["found"], found["lost"], found["waiting"]) == (3, 0, 0)
    assert "1 events were written with an event_id" in cluster.command("verify").stdout
    send(cluster, ("a", first))
    found = verify(cluster, 1)
    assert (found["written_twice"], found["duplicated"]) == (1, 1)


def test_verify_misses_the_second_of_two_events_with_one_id(cluster: CliCluster) -> None:
    (first,) = cluster.write("a")
    write_again(cluster, first)
    send(cluster, ("a", first))
    found = verify(cluster, 0)
    assert (found["written_twice"], found["found"], found["waiting"]) == (1, 1, 1)


def test_verify_finds_an_event_before_an_earlier_one_of_its_key(cluster: CliCluster) -> None:
    first, other = cluster.write("a", "b")
    cluster.await_all_ended()
    second, third = cluster.write("a", "b")
    send(cluster, ("a", second), ("b", other), ("a", first), ("b", third))
    found = verify(cluster, 1)
    assert (found["duplicated"], found["out_of_order"], found["lost"]) == (0, 1, 0)
    assert "NOT CLEAN" in cluster.command("verify").stdout


def test_verify_finds_an_event_before_an_earlier_one_of_its_transaction(
    cluster: CliCluster,
) -> None:
    with psycopg.connect(cluster.url) as link:
        first, second = cluster.write_by(link, "a", "a")
    send(cluster, ("a", second), ("a", first))
    assert verify(cluster, 1)["out_of_order"] == 1


def test_verify_holds_what_was_written_side_by_side_to_no_order(cluster: CliCluster) -> None:
    with psycopg.connect(cluster.url) as one:
        (first,) = cluster.write_by(one, "a")
        (second,) = cluster.write("a")
        worker = cluster.worker()
        wait_until(lambda: second in cluster.subscriber.event_ids, 30, "the second is read")
    wait_until(lambda: first in cluster.subscriber.event_ids, 30, "the first is read")
    assert worker.stop() == 0
    assert [each.event_id for each in cluster.subscriber.received] == [second, first]
    assert verify(cluster, 0)["out_of_order"] == 0


def test_verify_finds_an_event_that_counts_as_published_and_is_in_no_topic(
    cluster: CliCluster,
) -> None:
    cluster.write(*"abcd")
    cluster.publish_all()
    with psycopg.connect(cluster.url) as link:
        victim = link.execute(
            "UPDATE outbox.event SET event_id = gen_random_uuid() WHERE key = 'a' RETURNING 1"
        ).fetchall()
    assert len(victim) == 1
    found = verify(cluster, 1)
    assert (found["lost"], found["strangers"], found["duplicated"]) == (1, 1, 0)


def test_verify_leaves_records_alone_that_carry_no_event(cluster: CliCluster) -> None:
    cluster.write("a")
    send(cluster, ("a", ""), ("a", "not-an-id"))
    found = verify(cluster, 0)
    assert (found["records_without_id"], found["waiting"]) == (2, 1)


@pytest.mark.parametrize("policy", ["delete", "compact"])
def test_verify_does_not_count_as_lost_what_the_topic_dropped(
    cluster: CliCluster, policy: str
) -> None:
    topic = f"{cluster.name}.{policy}"
    cluster.create_topics({topic: 1}, **{"cleanup.policy": policy})
    cluster.topics = [topic]
    cluster.write(*"aab")
    cluster.publish_all()
    if policy == "delete":
        drop_records(cluster, topic, 2)
        assert verify(cluster, 0)["gone"] >= 1
    else:
        assert verify(cluster, 0)["lost"] == 0


def test_verify_reads_records_whose_time_no_calendar_has(cluster: CliCluster) -> None:
    topic = f"{cluster.name}.odd"
    cluster.create_topics({topic: 1}, **{"message.timestamp.after.max.ms": str(2**63 - 1)})
    cluster.topics = [topic]
    (first,) = cluster.write("a")
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
    for _ in range(2):
        # Microseconds in place of milliseconds: the year 55,000 or so.
        producer.produce(topic, b"{}", "a", 0, timestamp=1_700_000_000_000_000)
    producer.produce(topic, b"{}", "a", 0, headers=[("ce_id", first)])
    assert producer.flush(patient(20)) == 0
    drop_records(cluster, topic, 1)
    found = verify(cluster, 0)
    assert (found["found"], found["records_without_id"]) == (1, 1)


def lines(report: Report, width: int, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What people see of it in a terminal of this width."""
    cli.show(report, Console(width=width))
    return capsys.readouterr().out.splitlines()


def test_the_table_is_readable_in_eighty_columns(capsys: pytest.CaptureFixture[str]) -> None:
    name = "huleedu.batch.content.provisioning.completed.v1"
    verdict = TopicVerdict(name, 1_234_567, 1_234_000, 567, 0, 0, 0, 0, 0, 0)
    found = lines(Report([verdict], 0, 0), 80, capsys)
    assert max(map(len, found)) <= 80
    text = "\n".join(found)
    assert "…" not in text
    assert all(word in text for word in ("events", "in the", "published"))
    assert not any(word in text for word in ("longer", "twice"))
    (row,) = (line for line in found if "1234567" in line and name[:30] in line)
    assert "1234000" in row


def test_a_table_of_all_that_can_be_wrong_fits_in_a_hundred_columns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    verdict = TopicVerdict("orders", *range(11, 20))
    found = lines(Report([verdict], 0, 0), 100, capsys)
    assert max(map(len, found)) <= 100
    text = "\n".join(found)
    assert "…" not in text
    (row,) = (line for line in found if "orders" in line)
    assert [part.strip() for part in row.split("│")[2:-1]] == [str(n) for n in range(11, 20)]
    assert all(word in text for word in ("duplicated", "longer", "lost", "order", "twice"))
