"""What lets Kafka take an event that it refused, so that `OUTBOX_ON_REFUSED` had it parked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outbox_worker.settings import LARGEST_EVENT

if TYPE_CHECKING:
    from outbox_worker.stores.ledger import Letter, StoredEvent

TOO_LARGE: Final = frozenset(
    {"MSG_SIZE_TOO_LARGE", "RECORD_LIST_TOO_LARGE", "INVALID_MSG_SIZE", "EVENT_TOO_LARGE"}
)
BEHIND: Final = "BEHIND"
"""The code of an event that is parked only because an earlier one of its sequence is."""

ROOM: Final = 1_024
"""Bytes of a record beside payload, key and headers of the writer, roughly."""


def hint_of(letter: Letter, event: StoredEvent | None) -> str:
    """What to do before it is redriven."""
    if event is None:
        return "nothing can: its event was deleted from the table. Discard it"
    row = f"an UPDATE of outbox.event, id {letter.id}"
    if letter.code == BEHIND and letter.behind is not None:
        return f"mend event {letter.behind} first: outbox-worker dead-letters show {letter.behind}"
    if letter.code in TOO_LARGE:
        size = event.bytes or 0
        if size > LARGEST_EVENT:
            return f"make its payload smaller ({row}): no event of {size:,} bytes is published"
        return (
            "let the topic take it (kafka-configs.sh --bootstrap-server BROKER:9092 --alter "
            f"--topic {letter.topic} --add-config max.message.bytes={size + ROOM}, or more), make "
            f"its payload smaller ({row}), or publish it to another topic (--to-topic)"
        )
    if letter.code == "NO_RECORD":
        return f"make it an event of which a record can be made ({row}), and report it"
    return (
        f"mend what the reason names (the topic, its settings, a right), or the event ({row}), or "
        "publish it to another topic (--to-topic)"
    )
