"""The tally of batches kept short: a scrape reads every row of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import psycopg

from outbox_worker.maintenance.trouble import FAULTS, Trouble
from outbox_worker.postgres import database
from outbox_worker.stores import tally

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outbox_worker.stores import Connection

INTERVAL_S: Final = 10.0
"""How often it is looked at: at 1,000 batches a second a scrape then reads 20,000 rows, 2 ms."""

LEAST_ROWS: Final = 200
"""Fewer are not worth a write: reading them takes 0.1 ms."""

CHUNK_ROWS: Final = 20_000

ROUND_S: Final = 1.0
"""After so long a round ends although there is more: a worker that is told to stop gets to it."""

OPTIONS: Final[Mapping[str, str]] = {
    "lock_timeout": "1s",
    "statement_timeout": "30s",
    "jit": "off",
}


def run_once(connection: Connection, *, least: int = LEAST_ROWS) -> int:
    """Fold the tally where it is long, chunk by chunk; how many rows were folded."""
    folded, until = 0, time.monotonic() + ROUND_S
    while True:
        count = tally.fold_tally(connection, least, CHUNK_ROWS)
        folded += count
        if count < CHUNK_ROWS or time.monotonic() > until:
            return folded


class TallyUpkeep:
    """`run_once()` connects, folds, and lets go again."""

    def __init__(self, url: str) -> None:
        """Fold in the database at `url`."""
        self._url = url
        self._trouble = Trouble("the tally of batches")

    def run_once(self) -> float:
        """One look; seconds until the next."""
        try:
            with database.connect(
                self._url, application="outbox-worker tally", options=OPTIONS
            ) as connection:
                run_once(connection)
        except psycopg.errors.InsufficientPrivilege:
            raise
        except FAULTS as error:
            return self._trouble.note(error)
        self._trouble.settle()
        return INTERVAL_S

    def close(self) -> None:
        """Nothing is kept between two rounds."""
