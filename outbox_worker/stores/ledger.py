"""Statements over the ledger of dead letters, for people: lists, orders, counts, purge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date, datetime

    from outbox_worker.stores import Connection

OPEN: Final = ("parked", "redriving")
"""States of a dead letter about which nobody has decided, or whose redrive is not over."""

DECIDED: Final = ("redriven", "discarded")


class Asked(NamedTuple):
    """Which dead letters are meant; with nothing given, all."""

    topic: str | None = None
    key: str | None = None
    event_id: str | None = None


class LetterSequence(NamedTuple):
    """Dead letters of a topic and a key, by the first of them; one without a key stands alone."""

    topic: str
    key: str | None
    events: int
    event_id: str
    reason: str
    code: str
    attempts: int
    seconds: float
    redriving: int


class Letter(NamedTuple):
    """A dead letter, as the view `outbox.dead_letter` shows it."""

    event_id: str
    topic: str
    key: str | None
    type: str
    reason: str
    code: str
    behind: str | None
    parked_at: datetime
    state: str
    decided_by: str | None
    decided_at: datetime | None
    attempts: int
    parked_by: str
    to_topic: str | None
    shard: int
    id: int


class StoredEvent(NamedTuple):
    """What the table of events has of a dead letter, and how many stand before and behind it."""

    bytes: int | None
    content_type: str
    headers: list[str]
    created_at: datetime
    writer: str | None
    before: int
    behind: int


class Order(NamedTuple):
    """What somebody asked the workers for, and what came of it; None in `shard` is all of them."""

    request: int
    action: str
    shard: int | None
    topic: str | None
    key: str | None
    event: int | None
    to_topic: str | None
    rate: float | None
    ordered_by: str
    ordered_at: datetime
    state: str
    events: int
    outcome: str | None
    ended_at: datetime | None


class Standing(NamedTuple):
    """A topic whose events are parked as they come; how many have been."""

    topic: str
    ordered_by: str
    ordered_at: datetime
    events: int


class Waiting(NamedTuple):
    """Events of a shard that are not published: how many, the first, and how many follow it.

    `last` is the highest id of them.
    """

    shard: int
    events: int
    event_id: str
    topic: str
    key: str | None
    last: int
    later: int


class OpenLetters(NamedTuple):
    """Open dead letters of a topic; None is all topics beyond the bound."""

    topic: str | None
    events: int
    sequences: int
    seconds: float


def create_noted(connection: Connection) -> None:
    """Keep what the ledger says now, in a temporary table of the caller's transaction."""
    connection.execute(sql.load("ledger/create_noted"))


def list_sequences(
    connection: Connection, states: Sequence[str], asked: Asked, most: int
) -> tuple[list[LetterSequence], int]:
    """Up to `most` sequences, the oldest first, and how many there are in all."""
    rows = connection.execute(
        sql.load("ledger/list_sequences"),
        {"states": list(states), "topic": asked.topic, "key": asked.key, "most": most},
    ).fetchall()
    return [LetterSequence(*row[:-1]) for row in rows], rows[0][-1] if rows else 0


def list_letters(
    connection: Connection, states: Sequence[str], asked: Asked, most: int
) -> tuple[list[Letter], int]:
    """Up to `most` dead letters in the order of their ids, and how many there are in all."""
    rows = connection.execute(
        sql.load("ledger/list_letters"), {"states": list(states), **asked._asdict(), "most": most}
    ).fetchall()
    return [Letter(*row[:-1]) for row in rows], rows[0][-1] if rows else 0


def find_event(connection: Connection, id_: int) -> StoredEvent | None:
    """The event of a dead letter; None where it was removed."""
    row = connection.execute(sql.load("ledger/find_event"), {"id": id_}).fetchone()
    return None if row is None else StoredEvent(*row)


def list_orders(connection: Connection, request: int) -> list[Order]:
    """Those of a request, the oldest first."""
    rows = connection.execute(sql.load("ledger/list_orders"), {"request": request})
    return [Order(*row) for row in rows]


def count_refused(connection: Connection, request: int) -> int:
    """How many events a request was refused."""
    row = connection.execute(sql.load("ledger/count_refused"), {"request": request}).fetchone()
    return 0 if row is None else int(row[0])


def list_orders_of_letter(connection: Connection, letter: Letter) -> list[Order]:
    """Those that concern a dead letter, the oldest first."""
    rows = connection.execute(sql.load("ledger/list_orders_of_letter"), letter._asdict())
    return [Order(*row) for row in rows]


def list_standing(connection: Connection) -> list[Standing]:
    """Topics that are parked as a whole."""
    return [Standing(*row) for row in connection.execute(sql.load("ledger/list_standing"))]


def list_waiting(connection: Connection, asked: Asked, last: int | None = None) -> list[Waiting]:
    """By shard the events in question that are not published, with ids up to `last`.

    It looks at all that is not published.
    """
    given = {**asked._asdict(), "last": last}
    return [Waiting(*row) for row in connection.execute(sql.load("ledger/list_waiting"), given)]


def count_relays(connection: Connection) -> int:
    """How many workers that publish are connected to this database."""
    return int(_one(connection, "ledger/count_relays", {})[0])


def park(connection: Connection, asked: Asked, reason: str | None) -> int:
    """Ask the workers to park these; the request."""
    return int(_one(connection, "ledger/park", {**asked._asdict(), "reason": reason})[0])


def redrive(
    connection: Connection, asked: Asked, to_topic: str | None, rate: float | None
) -> int | None:
    """Ask the workers to publish these; the request, None where nothing of it is parked."""
    given = {**asked._asdict(), "to_topic": to_topic, "rate": rate, "everything": asked == Asked()}
    request: int | None = _one(connection, "ledger/redrive", given)[0]
    return request


def discard(connection: Connection, asked: Asked) -> int:
    """Give these up; how many they were."""
    given = {**asked._asdict(), "everything": asked == Asked()}
    return int(_one(connection, "ledger/discard", given)[0])


def count_open(connection: Connection, most: int) -> list[OpenLetters]:
    """Open dead letters by topic, up to `most` topics and one row for all others."""
    rows = connection.execute(sql.load("ledger/count_open"), {"most": most})
    return [OpenLetters(*row) for row in rows]


def count_day(connection: Connection, day: date) -> int:
    """How many open dead letters there are of a UTC day."""
    return int(_one(connection, "ledger/count_day", {"day": day})[0])


def count_decided(connection: Connection, before: datetime, kept: Collection[date]) -> int:
    """How many rows `purge_decided` would remove once old days but those `kept` are dropped."""
    given = {"before": before, "kept": list(kept)}
    return int(_one(connection, "ledger/count_decided", given)[0])


def purge_decided(
    connection: Connection, after: int, before: datetime, rows: int
) -> tuple[int, int | None]:
    """Remove up to `rows` rows above the id `after` that were decided before then.

    How many those were, and the highest id of them.
    """
    given = {"after": after, "before": before, "rows": rows}
    removed, last = _one(connection, "ledger/purge_decided", given)
    return removed, last


def _one(connection: Connection, name: str, parameters: dict[str, object]) -> tuple[Any, ...]:
    row = connection.execute(sql.load(name), parameters).fetchone()
    if row is None:
        raise RuntimeError(f"{name} returned no row")
    return row
