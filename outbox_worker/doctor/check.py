"""A check: its name, the servers that it needs, and the question that it asks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from outbox_worker.doctor.finding import Finding
    from outbox_worker.doctor.servers import Servers


class Needs(Enum):
    """The servers without which a check cannot be made."""

    POSTGRES = "Postgres"
    KAFKA = "Kafka"
    BOTH = "Postgres and Kafka"


@dataclass(frozen=True, slots=True)
class Check:
    """`name` is `group.what`: it stands in the documentation and in `--json`, and never changes.

    `look` may raise what servers answer with (`examine.py` makes a finding of it), and takes a
    few seconds at most.
    """

    name: str
    needs: Needs
    look: Callable[[Servers], Finding]

    @property
    def group(self) -> str:
        """What stands before the point."""
        return self.name.partition(".")[0]
