"""Starts the worker so that it dies, or freezes, at one step of parking or of a redrive.

    python -m tests.harness.letter_kills SIGNAL POINT [arguments of outbox-worker]

SIGNAL is KILL, or STOP for a worker that is frozen there until somebody continues it. POINT is
`before` or `after` and a step, joined by a dash: a statement over the ledger, or `commit-` and one
of them: the commit of the Kafka transaction that follows it. The product knows nothing of
it: its statements and `confluent_kafka.cimpl.Producer` are others here.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import Producer, cimpl
from typing_extensions import override

from outbox_worker.stores import dead_letter

if TYPE_CHECKING:
    from collections.abc import Callable

STATEMENTS: Final = (
    "raise_epochs",
    "insert_events",
    "mark_redriving",
    "mark_redriven",
    "settle_redrives",
)
WITH_COMMIT: Final = ("insert_events", "mark_redriving")
STEPS: Final = (*STATEMENTS, *(f"commit-{each}" for each in WITH_COMMIT))
POINTS: Final = tuple(f"{side}-{step}" for step in STEPS for side in ("before", "after"))


class LetterPoint:
    """Where this process is to die, and which statement over the ledger was last."""

    def __init__(self, death: signal.Signals, point: str) -> None:
        """Die by `death` when `point` is reached first."""
        if point not in POINTS:
            message = f"no such point: {point}"
            raise ValueError(message)
        self._death = death
        self._point = point
        self.last = ""

    def reach(self, point: str) -> None:
        """Die here, if this is the place."""
        if point == self._point:
            self._point = ""
            sys.stderr.write(json.dumps({"event": "killed", "point": point}) + "\n")
            sys.stderr.flush()
            os.kill(os.getpid(), self._death)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The statement with the places before and after it."""

        def statement(*given: Any, **named: Any) -> Any:  # noqa: ANN401  as the statement's own
            self.reach(f"before-{name}")
            found = call(*given, **named)
            self.last = name
            self.reach(f"after-{name}")
            return found

        return statement


class MortalProducer(Producer):
    """A producer that dies around the commit that follows a statement over the ledger."""

    target: LetterPoint

    @override
    def commit_transaction(self, *arguments: Any) -> None:
        """Commit."""
        last, self.target.last = self.target.last, ""
        self.target.reach(f"before-commit-{last}")
        super().commit_transaction(*arguments)
        self.target.reach(f"after-commit-{last}")


def main() -> None:
    """Put the mortal parts in place, then run the command."""
    death, point, *arguments = sys.argv[1:]
    target = LetterPoint(signal.Signals[f"SIG{death}"], point)
    for name in STATEMENTS:
        setattr(dead_letter, name, target.around(name, getattr(dead_letter, name)))
    MortalProducer.target = target
    # The product takes the name from the module when it is imported, below.
    setattr(cimpl, Producer.__name__, MortalProducer)
    sys.argv = ["outbox-worker", *arguments]
    from outbox_worker.cli import main as command  # noqa: PLC0415

    command()


if __name__ == "__main__":
    main()
