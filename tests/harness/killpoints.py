"""Starts the worker with a Kafka producer that kills the process at one point.

    python -m tests.harness.killpoints SIGNAL POINT NTH [arguments of outbox-worker]

SIGNAL is KILL, or STOP for a worker that is frozen there until somebody continues it.

POINT is `before` or `after` and one of the steps of a transaction, joined by a
dash. It is reached in the NTH transaction that has at least four records, or, where
NTH is 0, in the first one after SIGUSR1. With `first-` or `second-` in front of it only
transactions under that one of the two ids count that Kafka let in first, and that take turns. With
`further-` only those count under an id beyond them, and `init`, which opens the producer, is a step
too.
The product knows nothing of it: `confluent_kafka.cimpl.Producer` is another class here.

How many records a transaction has is known at its last step only, so its
records are kept back until then and handed to librdkafka one by one.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import Producer, cimpl
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS: Final = ("begin", "first-record", "half-of-the-records", "last-record", "offsets", "commit")
POINTS: Final = tuple(f"{side}-{step}" for step in STEPS for side in ("before", "after"))
FIRST: Final = "first-"
SECOND: Final = "second-"
FURTHER: Final = "further-"
ALL_POINTS: Final = {
    *POINTS,
    *(which + point for which in (FIRST, SECOND) for point in POINTS),
    *(FURTHER + point for point in ("before-init", "after-init", *POINTS)),
}

LEAST_RECORDS: Final = 4
FLUSH_S: Final = 5.0


class KillPoint:
    """Where this process is to die."""

    def __init__(self, death: signal.Signals, point: str, nth: int) -> None:
        """Die by `death` at `point` of the `nth` transaction of at least four records.

        0 stands for the first one after `arm`.
        """
        if point not in ALL_POINTS:
            message = f"no such point: {point}"
            raise ValueError(message)
        self._death = death
        self._name = point
        self._which = next(
            (each for each in (FIRST, SECOND, FURTHER) if point.startswith(each)), ""
        )
        self._point = point.removeprefix(self._which)
        self.is_further = self._which == FURTHER
        self._left = nth or sys.maxsize
        self._pair: list[str] = []

    def arm(self, *_: object) -> None:
        """The next one is it."""
        self._left = 1

    def let_in(self, transactional_id: str) -> None:
        """Take note of the first two ids that a slow broker lets in: any of four."""
        if len(self._pair) < 2 and transactional_id not in self._pair:
            self._pair.append(transactional_id)

    def is_under(self, transactional_id: str) -> bool:
        """Whether transactions under this id count."""
        which = dict(zip(self._pair, (FIRST, SECOND), strict=False)).get(transactional_id, FURTHER)
        return self._which in {"", which} and len(self._pair) == 2

    @property
    def near(self) -> bool:
        """Whether the transaction that begins or runs now may be the one."""
        return self._left <= 1

    def count(self, records: int) -> bool:
        """Take note of a transaction's size; whether it is the one."""
        if records < LEAST_RECORDS:
            return False
        self._left -= 1
        return self._left <= 0

    def reach(self, point: str) -> None:
        """Die here, if this is the place."""
        if point == self._point:
            self._point = ""
            sys.stderr.write(json.dumps({"event": "killed", "point": self._name}) + "\n")
            sys.stderr.flush()
            os.kill(os.getpid(), self._death)


class MortalProducer(Producer):
    """A producer that dies at the kill point, and else does what it always does."""

    target: KillPoint

    def __init__(self, config: dict[str, Any]) -> None:
        """Be made as the product makes it."""
        super().__init__(config)
        self._kept: list[Callable[[], None]] = []
        self._chosen = False
        self._id: str = config["transactional.id"]

    @property
    def _counts(self) -> bool:
        return self.target.is_under(self._id)

    @override
    def init_transactions(self, *arguments: Any) -> None:
        """Die around the opening of the producer, where it is under a further id."""
        dies = self._counts and self.target.is_further
        if dies:
            self.target.reach("before-init")
        super().init_transactions(*arguments)
        self.target.let_in(self._id)
        if dies:
            self.target.reach("after-init")

    @override
    def begin_transaction(self, *arguments: Any) -> None:
        """Die around `begin` of the transaction after the last one that counted."""
        self._kept.clear()
        if self._counts and self.target.near:
            self.target.reach("before-begin")
        super().begin_transaction(*arguments)
        if self._counts and self.target.near:
            self.target.reach("after-begin")

    @override
    def produce(self, *arguments: Any, **more: Any) -> None:
        """Keep the record back until it is known how many there are."""
        produce = super().produce
        self._kept.append(lambda: produce(*arguments, **more))

    @override
    def send_offsets_to_transaction(self, *arguments: Any) -> None:
        """Hand over the records, then the positions."""
        self._chosen = self._counts and self.target.count(len(self._kept))
        self._hand_over()
        send = super().send_offsets_to_transaction
        self._around("offsets", lambda: send(*arguments))

    @override
    def commit_transaction(self, *arguments: Any) -> None:
        """Commit."""
        commit = super().commit_transaction
        self._around("commit", lambda: commit(*arguments))

    def _hand_over(self) -> None:
        steps = {1: "first-record", len(self._kept) // 2: "half-of-the-records"}
        steps[len(self._kept)] = "last-record"
        for number, produce in enumerate(self._kept, 1):
            self._around(steps.get(number, ""), produce)

    def _around(self, step: str, call: Callable[[], None]) -> None:
        if not (self._chosen and step):
            call()
            return
        self.target.reach(f"before-{step}")
        call()
        if step.endswith(("record", "records")):
            # What was handed over is to lie in the broker's log when we die.
            self.flush(FLUSH_S)
        self.target.reach(f"after-{step}")


def main() -> None:
    """Put the mortal producer in place, then run the command."""
    death, point, nth, *arguments = sys.argv[1:]
    MortalProducer.target = KillPoint(signal.Signals[f"SIG{death}"], point, int(nth))
    signal.signal(signal.SIGUSR1, MortalProducer.target.arm)
    # The product takes the name from the module when it is imported, below.
    setattr(cimpl, Producer.__name__, MortalProducer)
    sys.argv = ["outbox-worker", *arguments]
    from outbox_worker.cli import main as command  # noqa: PLC0415

    command()


if __name__ == "__main__":
    main()
