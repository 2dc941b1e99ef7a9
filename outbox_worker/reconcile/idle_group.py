"""A group of workers that stands still: no member, no open transaction, positions set by hand.

Kafka takes a plain commit for a group only while nobody is a member of it: that
keeps positions from being changed under a worker.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaError, KafkaException

from outbox_worker.errors import WorkFailedError
from outbox_worker.kafka import brokers
from outbox_worker.kafka.admin import members_of, unreachable
from outbox_worker.kafka.clients import make_consumer
from outbox_worker.kafka.config import reader_config
from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Iterable

    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient

    from outbox_worker.settings import Settings

EMPTY_S: Final = 15.0
"""A worker that was killed is a member for 6 s more; one that refused has left already."""

ASK_AGAIN_S: Final = 0.5

HAS_MEMBERS: Final = frozenset(
    {
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.REBALANCE_IN_PROGRESS,
    }
)


def await_empty(admin: AdminClient, groups: Iterable[str], seconds: float = EMPTY_S) -> None:
    """Wait until no worker is a member of any of the groups; `WorkFailedError` where one stays."""
    deadline = Deadline(seconds)
    for group in groups:
        while members := _members(admin, group):
            if not deadline.pause(ASK_AGAIN_S):
                raise _workers_run(group, members)


def abort_open_transactions(settings: Settings, owners: Iterable[str]) -> None:
    """End what dead workers left open, so that topics can be read to their ends."""
    for owner in sorted(set(owners) - {""}):
        try:
            brokers.fence(settings, owner)
        except KafkaException as error:
            raise unreachable(error.args[0]) from error


def commit(settings: Settings, places: list[TopicPartition]) -> None:
    """Set the group's positions, all in one request; `WorkFailedError` while it has members."""
    config = reader_config(settings, group=settings.group, isolation="read_committed")
    deadline = Deadline(EMPTY_S)
    with closing(make_consumer(config)) as consumer:
        while True:
            try:
                done = consumer.commit(offsets=places, asynchronous=False) or []
                faults = [place.error for place in done if place.error is not None]
            except KafkaException as error:
                faults = [error.args[0]]
            if not faults:
                return
            if faults[0].code() not in HAS_MEMBERS:
                raise unreachable(faults[0])
            if not deadline.pause(ASK_AGAIN_S):
                raise _workers_run(settings.group, 1)


def _members(admin: AdminClient, group: str) -> int:
    try:
        return len(members_of(admin, group))
    except KafkaException as error:
        fault = error.args[0]
        if fault.code() == KafkaError.GROUP_ID_NOT_FOUND:
            return 0
        raise unreachable(fault) from error


def _workers_run(group: str, members: int) -> WorkFailedError:
    return WorkFailedError(
        f"Group {group} has {members} or more workers that run: positions are not changed "
        "under them",
        "Stop the workers of this group, then run `outbox-worker rebase --execute` again",
    )
