"""Statements over the tally of batches: differences that sum up to how many there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from outbox_school import statements

if TYPE_CHECKING:
    from outbox_worker.application import Connection


class Tally(NamedTuple):
    """How many batches of a class type are active and completed now, and were ever purged."""

    class_type: str
    active: int
    completed: int
    purged: int


def list_tally(connection: Connection) -> list[Tally]:
    """The sums for both class types; what is not folded yet is read, and no batch."""
    rows = statements.execute(connection, "tally/list_tally", {}).fetchall()
    return [Tally(*row) for row in rows]


def fold_tally(connection: Connection, least: int, rows: int) -> int:
    """Put one row for each class type in the place of up to `rows`; how many were folded.

    0 where there are fewer than `least`, or while another one folds.
    """
    parameters = {"least": least, "rows": rows}
    found = statements.execute(connection, "tally/fold_tally", parameters).fetchone()
    return 0 if found is None else int(found[0])
