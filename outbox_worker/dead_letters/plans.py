"""What a command about dead letters would do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from outbox_worker.dead_letters.selection import as_command
from outbox_worker.errors import WorkFailedError
from outbox_worker.stores import ledger
from outbox_worker.stores.ledger import DECIDED, OPEN, Asked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from outbox_worker.stores import Connection
    from outbox_worker.stores.ledger import Letter, Standing, Waiting

SEQUENCES: Final = 10_000
"""Sequences that a plan looks at; it says how many more there are."""


@dataclass(frozen=True, slots=True)
class Planned:
    """Parked events of one sequence."""

    topic: str
    key: str | None
    events: int
    first: str
    reason: str

    def in_words(self) -> str:
        """One line."""
        of = "an event without key" if self.key is None else f"key {self.key}"
        return f"topic {self.topic}, {of}: {self.events}, first {self.first} ({self.reason})"


@dataclass(frozen=True, slots=True)
class Plan:
    """Parked events that are meant; `why` is why there are none, `standing` topics parked whole."""

    sequences: Sequence[Planned]
    total: int
    standing: Sequence[Standing] = ()
    why: str = ""

    @property
    def events(self) -> int:
        """How many events these are."""
        return sum(each.events for each in self.sequences)


def of_parked(connection: Connection, asked: Asked, *, up_to: bool) -> Plan:
    """The parked events in question; of one with a key, `up_to` it, those before it too."""
    if asked.event_id is not None:
        return _of_event(connection, asked, up_to=up_to)
    found, total = ledger.list_sequences(connection, OPEN, asked, SEQUENCES)
    planned = [
        Planned(each.topic, each.key, each.events, each.event_id, each.reason) for each in found
    ]
    return Plan(planned, total, _standing(connection, asked))


def _standing(connection: Connection, asked: Asked) -> list[Standing]:
    """The topics whose parking ends with it."""
    if asked.key is not None:
        return []
    found = ledger.list_standing(connection)
    return [each for each in found if asked.topic in {None, each.topic}]


def _of_event(connection: Connection, asked: Asked, *, up_to: bool) -> Plan:
    letters, _ = ledger.list_letters(connection, OPEN, asked, SEQUENCES)
    if not letters:
        return Plan([], 0, why=_why_not_parked(connection, asked))
    planned = [_planned(connection, each, up_to=up_to) for each in letters]
    return Plan(planned, len(planned))


def _planned(connection: Connection, letter: Letter, *, up_to: bool) -> Planned:
    """An event, with what is parked before it of its sequence."""
    event = ledger.find_event(connection, letter.id)
    before = event.before if event is not None and up_to else 0
    if before:
        of = Asked(letter.topic, letter.key)
        ((first, *_), _) = ledger.list_letters(connection, OPEN, of, 1)
    else:
        first = letter
    return Planned(letter.topic, letter.key, before + 1, first.event_id, first.reason)


def _why_not_parked(connection: Connection, asked: Asked) -> str:
    letters, _ = ledger.list_letters(connection, DECIDED, asked, 1)
    return "".join(f": {_decided(each)}" for each in letters)


def _decided(letter: Letter) -> str:
    when = "" if letter.decided_at is None else f" at {letter.decided_at:%Y-%m-%d %H:%M:%S} UTC"
    return f"it was {letter.state}{when} by {letter.decided_by}"


def of_waiting(connection: Connection, asked: Asked) -> Iterator[str]:
    """What is not published and would be parked, in lines; `WorkFailedError` where one is not."""
    waiting = ledger.list_waiting(connection, asked)
    if asked.event_id is not None:
        if not waiting:
            raise WorkFailedError(
                f"Event {asked.event_id} does not wait to be published: it is published, parked "
                "already, or not in the table",
                f"`outbox-worker dead-letters show {asked.event_id}` shows it if it is parked",
            )
        yield from map(_one_waiting, waiting)
        return
    events = sum(each.events for each in waiting)
    shards = ", ".join(str(each.shard) for each in waiting)
    where = f" (shards {shards})" if waiting else ""
    if asked.key is not None:
        yield f"{events} waiting events of topic {asked.topic}, key {asked.key}{where}"
        yield "they are to be parked, and later ones of the key behind them"
        return
    yield f"{events} waiting events of topic {asked.topic}{where}"
    yield "they are to be parked, and later ones as they come, until somebody redrives the topic"


def _one_waiting(each: Waiting) -> str:
    of = "without a key" if each.key is None else f"key {each.key}"
    behind = f", and {each.later} later ones of its key behind it" if each.key is not None else ""
    return f"event {each.event_id} to topic {each.topic}, {of}, is to be parked{behind}"


def left_after_discard(connection: Connection, plan: Plan) -> Iterator[str]:
    """What is still parked of the sequences of a plan, and what to do about it."""
    for each in plan.sequences:
        if each.key is None:
            continue
        of = Asked(each.topic, each.key)
        left, _ = ledger.list_sequences(connection, OPEN, of, 1)
        for sequence in left:
            whose = f"of topic {each.topic}, key {each.key}"
            yield f"{sequence.events} events stay parked behind it, {whose}"
            yield f"  to publish them in order: {as_command('redrive', of, '--execute')}"
            yield f"  to give them up as well: {as_command('discard', of, '--execute')}"
