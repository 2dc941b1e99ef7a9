"""Each check of the group and of the commands, with what it is about broken on real servers."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final

from confluent_kafka import Consumer, Producer, TopicPartition

from outbox_worker.doctor.finding import Level
from outbox_worker.settings import ANCHOR_TOPIC
from tests.doctor.conftest import Doctor, login, of
from tests.harness.waiting import patient, wait_until

if TYPE_CHECKING:
    from outbox_worker.stores import Connection
    from tests.cli.conftest import CliCluster

FLOWS_S: Final = 40.0
LATE: Final = """
    INSERT INTO outbox.event (topic, key, type, created_at)
    SELECT %s, key, 'order.placed', now() - interval '90 s' FROM unnest(%s::text[]) AS key
"""
DENIED: Final = """
    WITH denied AS (
        UPDATE outbox.command SET retry_at = now() + interval '5 s' RETURNING command_id)
    INSERT INTO outbox.command_history (command_id, what, attempt, written_by, error_type, error)
    SELECT command_id, 'refused', 0, 'worker', 'InsufficientPrivilege',
           'permission denied for table class' FROM denied
"""
SUBMIT: Final = "SELECT outbox.submit('CreateClass', %s, '{}', 'teacher')"


def settle(cluster: CliCluster) -> None:
    """A worker that has all shards."""
    cluster.workers(1)
    wait_until(
        lambda: of(cluster).look("group.shards").level is Level.PASS, FLOWS_S, "shards are owned"
    )


def test_a_healthy_cluster_passes_and_no_topic_and_no_group_comes_of_asking(
    cluster: CliCluster,
) -> None:
    settle(cluster)
    cluster.write(*"abcdef")
    wait_until(lambda: cluster.waiting() == 0, FLOWS_S, "all is published")

    def traces() -> tuple[set[str], set[str]]:
        groups = cluster.admin.list_consumer_groups().result(FLOWS_S).valid or []
        topics = set(cluster.admin.list_topics(timeout=FLOWS_S).topics)
        return topics, {each.group_id for each in groups}

    before = traces()
    begun = time.monotonic()
    done = cluster.command("doctor", "--json")
    assert time.monotonic() - begun < patient(15)
    found = json.loads(done.stdout)
    bad = [each for each in found["checks"] if each["level"] != "pass"]
    assert (done.returncode, bad) == (0, []), done.stderr
    assert traces() == before
    # Those that are known only by what they serve: nothing is published under another group.
    other = Doctor(cluster.url, cluster.bootstrap, "another")
    assert other.look("group.members").level is Level.FAIL
    found_there = other.look("group.mirror")
    assert found_there.level is Level.FAIL
    assert cluster.name in found_there.seen
    assert "another" not in traces()[1]


def test_a_group_without_members_fails_and_one_that_leaves_shards_alone_too(
    cluster: CliCluster,
) -> None:
    found = of(cluster).look("group.members")
    assert (found.level, found.run) == (Level.FAIL, ("outbox-worker run",))
    assert of(cluster).look("group.shards").level is Level.SKIPPED
    stranger = Consumer(
        {"bootstrap.servers": cluster.bootstrap, "group.id": cluster.name, "log_level": 0}
    )
    stranger.subscribe([cluster.topics[0]])
    try:
        wait_until(
            lambda: stranger.poll(0.1) is None and stranger.assignment() != [],
            FLOWS_S,
            "a stranger is a member",
        )
        found = of(cluster).look("group.shards")
        assert found.level is Level.FAIL
        assert "nobody has all shards" in found.seen
    finally:
        stranger.close()


def test_a_shard_that_is_held_is_named_with_its_reason_event_and_remedy(
    cluster: CliCluster, connection: Connection
) -> None:
    settle(cluster)
    doctor = of(cluster)
    assert doctor.look("group.held").level is Level.PASS
    cluster.topics.insert(0, f"{cluster.name}.gone")
    (event,) = cluster.write("a")
    wait_until(
        lambda: doctor.look("group.held").level is Level.FAIL,
        FLOWS_S,
        "the worker has written down what it holds",
    )
    found = doctor.look("group.held")
    assert event in found.seen
    assert f"{cluster.name}.gone" in found.seen
    # What mends it is in the words of the worker.
    row = connection.execute("SELECT hint FROM outbox.lag WHERE event = %s", (event,)).fetchone()
    assert row is not None
    assert row[0] in found.remedy


def test_old_events_of_a_shard_that_does_not_move_fail_and_of_one_that_does_warn(
    cluster: CliCluster, connection: Connection
) -> None:
    doctor = of(cluster)
    assert doctor.look("group.lag").level is Level.PASS
    connection.execute(LATE, (cluster.topics[0], ["a"]))
    found = doctor.look("group.lag")
    assert found.level is Level.FAIL
    assert "do not move" in found.seen
    cluster.publish_all()
    connection.execute(LATE, (cluster.topics[0], ["a"]))
    connection.execute("UPDATE outbox.position SET updated_at = now()")
    assert doctor.look("group.lag").level is Level.WARN


def test_offsets_that_are_older_than_the_mirror_gone_or_foreign_are_named(
    cluster: CliCluster, connection: Connection
) -> None:
    cluster.write(*"abc")
    cluster.publish_all()
    doctor = of(cluster)
    assert doctor.look("group.mirror").level is Level.PASS
    connection.execute(
        "UPDATE outbox.position SET batch = batch - 1, updated_at = now() - interval '2 min'"
    )
    found = doctor.look("group.mirror")
    assert found.level is Level.WARN
    assert "Kafka is ahead of the mirror" in found.seen
    connection.execute("UPDATE outbox.position SET batch = batch + 1000 WHERE shard = 3")
    found = doctor.look("group.mirror")
    assert found.level is Level.FAIL
    assert "older positions than the mirror for shard 3" in found.seen
    foreign = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": cluster.name})
    foreign.commit(offsets=[TopicPartition(ANCHOR_TOPIC, 5, 0, "x")], asynchronous=False)
    foreign.close()
    found = doctor.look("group.mirror")
    assert found.level is Level.FAIL
    assert "the offsets of shard 5 are not those of a worker" in found.seen
    cluster.admin.delete_consumer_groups([cluster.name])[cluster.name].result(FLOWS_S)
    found = doctor.look("group.mirror")
    assert found.level is Level.FAIL
    assert "no position for all shards" in found.seen
    assert found.run == ("outbox-worker rebase", "outbox-worker rebase --execute")


def test_a_transaction_that_does_not_end_is_named_with_the_shards_that_it_holds(
    cluster: CliCluster,
) -> None:
    cluster.write("a")
    cluster.publish_all()
    doctor = of(cluster)
    assert doctor.look("group.transactions").level is Level.PASS
    member = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": cluster.name})
    left = Producer(
        {"bootstrap.servers": cluster.bootstrap, "transactional.id": f"{cluster.name}.left"}
    )
    left.init_transactions(FLOWS_S)
    left.begin_transaction()
    places = [TopicPartition(ANCHOR_TOPIC, shard, 0, "left") for shard in (3, 7)]
    left.send_offsets_to_transaction(places, member.consumer_group_metadata(), FLOWS_S)
    try:
        found = doctor.look("group.transactions")
    finally:
        left.abort_transaction(FLOWS_S)
        member.close()
    assert found.level is Level.WARN
    assert "shards 3, 7" in found.seen


def test_commands_that_fail_are_named_by_type_and_fail_once_they_are_set_aside(
    doctor: Doctor, connection: Connection
) -> None:
    assert doctor.look("commands.failing").level is Level.PASS
    connection.execute(SUBMIT, ("a",))
    connection.execute("UPDATE outbox.command SET failures = 3, retry_at = now() + interval '1 h'")
    found = doctor.look("commands.failing")
    assert found.level is Level.WARN
    assert "CreateClass (1, as " in found.seen
    assert "after 3 failures" in found.seen
    connection.execute(
        "UPDATE outbox.command SET status = 'rejected', finished_at = now(), "
        'error = \'{"code": "INTERNAL_ERROR", "message": "x", "details": {}}\''
    )
    found = doctor.look("commands.failing")
    assert found.level is Level.FAIL
    (aside,) = connection.execute("SELECT command_id FROM outbox.command").fetchone() or ("",)
    assert f"CreateClass (1, as {aside})" in found.seen
    # Beside one that is tried again, whose id may be the lower one, the same is named.
    connection.execute(
        "UPDATE outbox.command SET command_id = 'ffffffff-ffff-4fff-8fff-ffffffffffff'"
    )
    connection.execute(SUBMIT, ("b",))
    connection.execute("UPDATE outbox.command SET failures = 1 WHERE status = 'queued'")
    found = doctor.look("commands.failing")
    assert "CreateClass (1, as ffffffff-ffff-4fff-8fff-ffffffffffff)" in found.seen
    connection.execute("DELETE FROM outbox.command WHERE status = 'queued'")
    connection.execute("UPDATE outbox.command SET finished_at = now() - interval '2 h'")
    assert doctor.look("commands.failing").level is Level.PASS
    connection.execute(
        "INSERT INTO outbox.command_history (command_id, what, attempt, written_by) "
        "SELECT command_id, 'set_aside', 10, 'worker' FROM outbox.command"
    )
    found = doctor.look("commands.failing")
    assert (found.level, "1 stay set aside" in found.seen) == (Level.PASS, True)


def test_a_right_that_commands_lack_fails_with_the_grant(connection: Connection) -> None:
    connection.execute(SUBMIT, ("a",))
    with login(connection, "outbox_worker") as url:
        worker = Doctor(url)
        assert worker.look("commands.rights").level is Level.PASS
        connection.execute(DENIED)
        connection.execute("REVOKE DELETE ON school.class FROM outbox_domain, outbox_commands")
        found = worker.look("commands.rights")
        assert found.level is Level.FAIL
        assert "CreateClass (1, as " in found.seen
        assert "permission denied for table class" in found.seen
        assert found.run == ("GRANT DELETE ON TABLE school.class TO outbox_commands;",)
        connection.execute(found.run[0].encode())
        # It waits still: nothing of this name is denied any more.
        found = worker.look("commands.rights")
        assert (found.level, found.run) == (Level.FAIL, ())
        connection.execute("UPDATE outbox.command SET retry_at = NULL")
        assert worker.look("commands.rights").level is Level.PASS


def test_commands_that_wait_for_long_warn_and_then_fail(
    doctor: Doctor, connection: Connection
) -> None:
    connection.execute(SUBMIT, ("a",))
    for seconds, level in ((1, Level.PASS), (90, Level.WARN), (900, Level.FAIL)):
        connection.execute(
            "UPDATE outbox.command SET submitted_at = now() - %s * interval '1 s'", (seconds,)
        )
        assert doctor.look("commands.oldest").level is level


def test_a_key_that_most_commands_have_warns(doctor: Doctor, connection: Connection) -> None:
    for key in "abc":
        connection.execute(SUBMIT, (key,))
    assert doctor.look("commands.hot_keys").level is Level.PASS
    connection.execute(
        "SELECT outbox.submit('CreateClass', 'hot', '{}', 'me') FROM generate_series(1, 150)"
    )
    found = doctor.look("commands.hot_keys")
    assert found.level is Level.WARN
    assert "150 of 153" in found.seen
    assert "hot (150)" in found.seen
