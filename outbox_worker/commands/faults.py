"""Which errors say nothing about a command, and how long to wait after them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import psycopg

from outbox_worker.settings import FAILURE_PAUSE_GROWTH, FAILURE_PAUSE_MAX_S, FAILURE_PAUSE_S
from outbox_worker.timing.backoff import pause_after

if TYPE_CHECKING:
    from uuid import UUID

CLASSES: Final = frozenset({"08", "40", "53", "57", "58"})
"""SQLSTATE classes of the surroundings: connection, roll-back (deadlock, serialization),
resources, intervention (shutdown, cancelled by time-out), system."""

STATES: Final = frozenset({"25006", "25P03", "25P04", "42501", "55P03"})
"""Further ones: a server that is a standby by now, time-outs of a transaction, a right that
somebody forgot to grant, a lock that was not had in time."""

REMEMBERED: Final = 10_000
"""Commands whose faults are remembered: more than can wait for a retry at the same time."""


def is_infrastructure(error: Exception) -> bool:
    """Whether the error is one of the surroundings, and the command may do well the next time."""
    if not isinstance(error, psycopg.Error):
        return False
    if error.sqlstate is None:
        # libpq's own words: a connection that is lost or was not to be had.
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate[:2] in CLASSES or error.sqlstate in STATES


def is_contention(error: Exception) -> bool:
    """Whether others were in the way of this command, which says nothing about the next one."""
    return isinstance(
        error,
        psycopg.errors.LockNotAvailable
        | psycopg.errors.DeadlockDetected
        | psycopg.errors.SerializationFailure,
    )


def pause_after_failures(times: int) -> float:
    """Seconds to wait after the so-manieth unexpected failure of a command."""
    return pause_after(times, FAILURE_PAUSE_S, FAILURE_PAUSE_MAX_S, FAILURE_PAUSE_GROWTH)


class RetryCounter:
    """Counts the faults around each command, for all threads of a process.

    They are not in the row: they cost the command nothing, and another process
    may know nothing of them.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self._lock = threading.Lock()
        self._faults: OrderedDict[UUID, int] = OrderedDict()

    def count(self, command_id: UUID) -> int:
        """One more; how many those are."""
        with self._lock:
            times = self._faults.pop(command_id, 0) + 1
            self._faults[command_id] = times
            if len(self._faults) > REMEMBERED:
                self._faults.popitem(last=False)
            return times

    def forget(self, command_id: UUID) -> None:
        """The command is finished."""
        if self._faults:
            with self._lock:
                self._faults.pop(command_id, None)
