"""Dead letters that went to another topic, once that has dropped their records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from tests.cli.test_dead_letters import (
    LARGE,
    PARK_S,
    await_parked,
    decide,
    read,
    serving,
    small_topic,
    verified,
    write,
)
from tests.harness.lost_history import drop_records
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from tests.cli.conftest import CliCluster

pytestmark = pytest.mark.slow

AGE: Final = """
    WITH old AS (UPDATE outbox.event SET created_at = created_at - interval '3 h'
                 WHERE event_id = %(event)s RETURNING created_at)
    UPDATE outbox.dead_letter_event SET created_at = (SELECT created_at FROM old)
    WHERE event_id = %(event)s"""
COMPACT: Final = {"cleanup.policy": "compact,delete"}


def redriven(cluster: CliCluster, topic: str, other: str) -> str:
    """An event that only the other topic takes, and that is there."""
    event = write(cluster, topic, "k", LARGE)
    await_parked(cluster, 1)
    decide(cluster, "redrive", "--event", event, "--to-topic", other, "--execute")
    wait_until(lambda: read(cluster, other, "k") == [event], PARK_S, "it is read there")
    return event


@pytest.mark.parametrize("config", [{}, COMPACT], ids=["retention", "compaction"])
def test_what_the_topic_of_a_redrive_has_dropped_is_not_lost_and_not_repeated(
    cluster: CliCluster, config: dict[str, str]
) -> None:
    topic, other = small_topic(cluster), f"{cluster.name}.other"
    cluster.listen_to({other: 1}, **config)
    worker = serving(cluster, on_refused="park")
    event = redriven(cluster, topic, other)
    assert worker.stop() == 0
    drop_records(cluster, other)
    counts = verified(cluster)
    assert (counts["gone"], counts["lost"]) == (1, 0)
    done = cluster.command("rebase", "--execute")
    assert done.returncode == 0, done.stderr
    serving(cluster, on_refused="park")
    newest = write(cluster, cluster.topics[0], "k")
    wait_until(lambda: cluster.subscriber.has_all([newest]), PARK_S, "a newer event is read")
    assert cluster.subscriber.event_ids == {event, newest}
    assert read(cluster, other, "k") == [event]
    assert verified(cluster)["gone"] == 1


def test_a_topic_whose_first_record_is_of_an_old_redrive_has_dropped_newer_ones(
    cluster: CliCluster,
) -> None:
    topic, other = small_topic(cluster), f"{cluster.name}.other"
    cluster.listen_to({other: 1})
    serving(cluster, on_refused="park")
    event = write(cluster, topic, "k", LARGE)
    await_parked(cluster, 1)
    with psycopg.connect(cluster.url) as link:
        link.execute(AGE, {"event": event})
    gone = write(cluster, other, "l")
    wait_until(lambda: cluster.subscriber.has_all([gone]), PARK_S, "a newer one is before it")
    decide(cluster, "redrive", "--event", event, "--to-topic", other, "--execute")
    wait_until(lambda: cluster.subscriber.has_all([event]), PARK_S, "it is read there")
    drop_records(cluster, other, 1)
    counts = verified(cluster)
    assert (counts["found"], counts["gone"], counts["lost"]) == (1, 1, 0)
