"""The topic whose partitions stand for the shards: sixteen, and always empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outbox_worker.errors import ServerError, SettingsError
from outbox_worker.kafka.admin import CREATE_S, by_hand, create_topic, partitions_of
from outbox_worker.settings import ANCHOR_TOPIC, SHARDS
from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

LOOK_AGAIN_S: Final = 0.1
"""Between two looks for the topic when it was just made."""


def ensure_topic(admin: AdminClient) -> None:
    """See that the anchor topic is there with its 16 partitions, or make it.

    Raises `ServerError` where the broker is away or refuses it, with the
    line that an administrator runs, and `SettingsError` where it has another
    number of partitions.
    """
    found = partitions_of(admin, ANCHOR_TOPIC)
    if found == 0:
        # -1: the broker's own default replication.
        create_topic(admin, ANCHOR_TOPIC, SHARDS, -1)
        # Somebody else may have made it in between, and otherwise.
        found = _await_topic(admin, ANCHOR_TOPIC)
    check(found)


def check(found: int) -> None:
    """`SettingsError` where the anchor topic has another number of partitions than it must."""
    if found == SHARDS:
        return
    if found == 0:
        hint = "Start the worker again: it makes the topic, and continues where the mirror says"
    elif found < SHARDS:
        hint = f"Add the others: {by_hand(SHARDS, order='--alter')}"
    else:
        hint = (
            "It is always empty: stop the workers, delete it, then start again or run: "
            + by_hand(SHARDS)
        )
    what = f"Topic {ANCHOR_TOPIC} has {found} partitions, not {SHARDS}"
    raise SettingsError(what, hint)


def _await_topic(admin: AdminClient, topic: str) -> int:
    """How many partitions a topic has that was just made; brokers learn of it one by one."""
    deadline = Deadline(CREATE_S)
    while not (found := partitions_of(admin, topic)):
        if not deadline.pause(LOOK_AGAIN_S):
            raise ServerError(
                f"Kafka made topic {topic} and does not show it within {CREATE_S:.0f} s",
                "See whether its controller and its brokers are well; then start again",
            )
    return found
