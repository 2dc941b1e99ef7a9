"""How far an order to redrive is, as its worker knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from outbox_worker.timing.deadline import Deadline


class Refusal(NamedTuple):
    """An event that was refused alone."""

    event: int
    reason: str
    code: str


@dataclass(slots=True)
class Progress:
    """Of one order: how many events it takes at a time, when the next ones are due, what failed.

    Up to the id `after` it has looked; what of it is open there comes with the next round.
    """

    chunk: int
    rest: Deadline
    refusal: Refusal | None = None
    after: int = 0
    waits: bool = False
