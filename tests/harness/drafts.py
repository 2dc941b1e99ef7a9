"""Transactions as services write them, and as nobody should but somebody does.

Each style fills one transaction. A key has a row in the table `subject`; its
counter is raised under the row's lock and goes out in the event, so that the
order of the events of a key is known from their payloads alone.
"""

from __future__ import annotations

import json
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import psycopg

if TYPE_CHECKING:
    import random
    import threading
    from collections.abc import Callable, Iterator, Sequence

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

RAISE_COUNTER: Final = (
    "UPDATE subject SET counter = counter + %(by)s WHERE key = %(key)s RETURNING counter"
)
PUBLISH: Final = """
    SELECT outbox.publish(topic => %(topic)s, key => %(key)s, type => 'subject.changed.v1',
                          payload => %(payload)s::jsonb, event_id => %(event_id)s)"""
PUBLISH_ONCE: Final = """
    SELECT outbox.publish(topic => %(topic)s, key => %(key)s, type => 'subject.changed.v1',
                          payload => %(payload)s::jsonb, idempotency_key => %(once)s)"""
INSERT: Final = """
    INSERT INTO outbox.event (topic, key, type, payload, event_id)
    VALUES (%(topic)s, %(key)s, 'subject.changed.v1', convert_to(%(payload)s, 'UTF8'), %(event_id)s)
    """
TAKE_XID: Final = "SELECT pg_current_xact_id()"

LARGE: Final = 40
"""Events of one key in a large transaction."""


class Draft:
    """One open transaction: writes events and remembers their ids."""

    def __init__(
        self,
        connection: Connection,
        rng: random.Random,
        topics: Sequence[str],
        keys: Sequence[str],
        stop: threading.Event,
    ) -> None:
        """Write on `connection`; pauses end early once `stop` is set."""
        self.connection = connection
        self.rng = rng
        self.keys = keys
        self._topics = topics
        self._stop = stop
        self.written: list[str] = []
        self.undone: list[str] = []

    def pick(self, count: int) -> list[str]:
        """Keys in ascending order, hot ones more often: locks taken in one order never deadlock."""
        hot = self.keys[:3]
        pools = [hot if self.rng.random() < 0.5 else self.keys for _ in range(count)]
        return sorted({self.rng.choice(pool) for pool in pools})

    def write(self, key: str | None, count: int = 1) -> None:
        """Append `count` events of `key`, under its row lock; without a key, free of any order."""
        number = self._raise_counter(key, count) if key is not None else count
        for n in range(number - count + 1, number + 1):
            event_id = str(uuid.uuid4())
            statement = PUBLISH if self.rng.random() < 0.5 else INSERT
            self.connection.execute(statement, {**self._event(key, n), "event_id": event_id})
            self.written.append(event_id)

    def write_once(self, key: str) -> None:
        """Publish twice under one idempotency key: one event."""
        once = str(uuid.uuid4())
        number = self._raise_counter(key, 1)
        values = {**self._event(key, number), "once": once}
        ids = {self._first(PUBLISH_ONCE, values) for _ in range(2)}
        if len(ids) != 1:
            message = f"one idempotency key, two events: {ids}"
            raise AssertionError(message)
        self.written.append(str(ids.pop()))

    def hold(self, shortest: float, longest: float) -> None:
        """Leave the transaction open for some seconds."""
        self._stop.wait(self.rng.uniform(shortest, longest))

    @contextmanager
    def undoing(self) -> Iterator[None]:
        """What is written inside is rolled back to a savepoint."""
        before = len(self.written)
        with self.connection.transaction(force_rollback=True):
            yield
        self.undone += self.written[before:]
        del self.written[before:]

    def _raise_counter(self, key: str, by: int) -> int:
        return int(self._first(RAISE_COUNTER, {"key": key, "by": by}))

    def _event(self, key: str | None, number: int) -> dict[str, object]:
        payload = json.dumps({"key": key, "n": number})
        return {"topic": self.rng.choice(self._topics), "key": key, "payload": payload}

    def _first(self, statement: str, values: dict[str, Any]) -> Any:  # noqa: ANN401  a column of any type
        row = self.connection.execute(statement, values).fetchone()
        if row is None:
            message = f"no row for {values}"
            raise AssertionError(message)
        return row[0]


def short(draft: Draft) -> bool:
    """A few events of a few keys."""
    for key in draft.pick(draft.rng.randint(1, 4)):
        draft.write(key)
    return True


def without_key(draft: Draft) -> bool:
    """Events that have no order."""
    draft.write(None, draft.rng.randint(1, 3))
    return True


def rolled_back(draft: Draft) -> bool:
    """Written, and then thought better of."""
    short(draft)
    return False


def with_savepoint(draft: Draft) -> bool:
    """Part of it is rolled back, the rest is committed."""
    first, *others = draft.pick(3)
    draft.write(first)
    with draft.undoing():
        draft.write(first)
    for key in others:
        draft.write(key)
    return True


def early_xid(draft: Draft) -> bool:
    """Takes its transaction id first and inserts last."""
    draft.connection.execute(TAKE_XID)
    draft.hold(0.0, 0.05)
    return short(draft)


def first_in_last_out(draft: Draft) -> bool:
    """Inserts first and commits last; writers of its key wait, the others overtake it."""
    draft.write(draft.pick(1)[0])
    draft.hold(0.05, 0.3)
    return True


def large(draft: Draft) -> bool:
    """Many events of one key."""
    draft.write(draft.pick(1)[0], LARGE)
    return True


def published_twice(draft: Draft) -> bool:
    """The same idempotency key again."""
    draft.write_once(draft.pick(1)[0])
    return True


def long_lasting(draft: Draft) -> bool:
    """Stays open for seconds: with an event from its beginning, and one from its end."""
    key = draft.pick(1)[0]
    draft.write(key)
    draft.hold(1.0, 3.0)
    draft.write(key)
    return draft.rng.random() < 0.8


Style: TypeAlias = "Callable[[Draft], bool]"
"""Fills a transaction and says whether it is to be committed."""

STYLES: Final[tuple[tuple[Style, int], ...]] = (
    (short, 50),
    (without_key, 6),
    (rolled_back, 12),
    (with_savepoint, 10),
    (early_xid, 8),
    (first_in_last_out, 4),
    (large, 5),
    (published_twice, 5),
)
"""With their weights."""

SLOW_STYLES: Final[tuple[tuple[Style, int], ...]] = ((long_lasting, 1),)
