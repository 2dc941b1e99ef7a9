"""Which dead letters a command means."""

from __future__ import annotations

import math
import re
import shlex
from typing import TYPE_CHECKING, Final

from outbox_worker.errors import SettingsError
from outbox_worker.settings import ANCHOR_TOPIC
from outbox_worker.stores.ledger import Asked

if TYPE_CHECKING:
    from uuid import UUID

TOPIC: Final = re.compile(r"(?!__)(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,249}")
"""A topic that Kafka accepts and that is not its own."""

OURS: Final = frozenset({ANCHOR_TOPIC, ANCHOR_TOPIC.replace(".", "_")})
"""Kafka takes no topic whose name differs from another's only by these characters."""

LIST: Final = "`outbox-worker dead-letters list` shows what is parked"


def asked_for(
    topic: str | None, key: str | None, event: UUID | None, *, everything: bool = False
) -> Asked:
    """What the options mean together; `SettingsError` that names the one that does not fit."""
    if key is not None and event is not None:
        raise SettingsError(
            "--event names one event: it goes without --key",
            "Leave one of them out; of an event with a key, its sequence up to it is meant",
        )
    if key is not None and topic is None:
        raise SettingsError("--key needs --topic", "A sequence is a topic and a key: give both")
    if everything and (topic, key, event) != (None, None, None):
        raise SettingsError(
            "--all goes without --topic, --key and --event", "Leave out --all, or the others"
        )
    if not everything and topic is None and event is None:
        raise SettingsError(
            "Nothing says which events are meant",
            f"Give --event ID, or --topic TOPIC with or without --key KEY; {LIST}",
        )
    return Asked(topic, key, None if event is None else str(event))


def see_that_topic_can_be(topic: str | None) -> None:
    """`SettingsError` where no event may be published to a topic of this name."""
    if topic is not None and (not TOPIC.fullmatch(topic) or topic in OURS):
        raise SettingsError(
            f"--to-topic {topic!r} is no topic for events",
            "Kafka accepts 1 to 249 of the characters A-Z a-z 0-9 . _ -; names that begin with __ "
            f"and {ANCHOR_TOPIC} are not for events",
        )


def see_that_rate_can_be(rate: float | None) -> None:
    """`SettingsError` where so many events a second are none."""
    if rate is not None and not math.isfinite(rate):
        raise SettingsError(
            f"--rate {rate} is no number of events", "Give a number above 0, or leave it out"
        )


def as_command(action: str, asked: Asked, *more: str) -> str:
    """The line for a shell that means these."""
    words = ["outbox-worker", "dead-letters", action]
    for option, value in zip(("--topic", "--key", "--event"), asked, strict=True):
        if value is not None:
            words += [option, value]
    if asked == Asked() and action != "list":
        words.append("--all")
    return shlex.join([*words, *more])
