"""What of an application's tables is finished and old, and how `outbox-worker purge` removes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from outbox_worker.application.job import Session

BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
"""Where the first step begins."""


class Span(NamedTuple):
    """What is old, from where the last step ended: `after` <= time < `before`."""

    after: datetime
    before: datetime


class Step(NamedTuple):
    """One transaction: how many rows went, and where the next one begins (None: nowhere).

    `parts` counts rows that went with them, by the names of `Sweep.parts`.
    """

    removed: int
    after: datetime | None
    parts: Mapping[str, int] = {}


CountParts: TypeAlias = "Callable[[Session, datetime], Mapping[str, int]]"


def _no_parts(_connection: Session, _before: datetime) -> Mapping[str, int]:
    return {}


@dataclass(frozen=True, slots=True)
class Sweep:
    """Rows of one kind that are removed in short transactions, from the oldest on.

    `left` counts what is older than a moment. `step` removes some of it, within the span that it
    is given, in a transaction that the engine begins and commits; it passes over what others
    hold. It is called again where the last one ended, then from the beginning, until `left` says
    0 or what is left stays in use for about a minute. `count_parts` counts for a dry run what
    would go with them, by the names in `parts`.
    """

    what: str
    left: Callable[[Session, datetime], int]
    step: Callable[[Session, Span], Step]
    parts: tuple[str, ...] = ()
    count_parts: CountParts = _no_parts


@dataclass(frozen=True, slots=True)
class Retention:
    """What `purge` removes for an application.

    `sweeps` gives the kinds of rows in the order in which they are removed. Where there is an
    `option` (its name without dashes), it is called with the value that was given, one of
    `values`, else with "".
    """

    sweeps: Callable[[str], tuple[Sweep, ...]]
    option: str = ""
    values: tuple[str, ...] = ()
    default: str = ""
    help: str = field(default="", kw_only=True)
