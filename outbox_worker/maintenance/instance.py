"""The name of a process that was given one, kept from others for as long as it runs."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final

import psycopg
import structlog

from outbox_worker.errors import ServerError, SettingsError
from outbox_worker.postgres import database
from outbox_worker.stores import server
from outbox_worker.timing.backoff import Backoff
from outbox_worker.timing.deadline import Deadline
from outbox_worker.timing.outage import Outage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outbox_worker.stores import Connection

TAKEN_S: Final = 10.0
"""How long a name may still be held by a process that just died, as the server sees it."""

TAKEN_RETRY_S: Final = 0.5

LOOK_S: Final = 1.0
"""How often it is asked whether the session is there: for so long another may come unnoticed."""

OPTIONS: Final[Mapping[str, str]] = {
    "tcp_keepalives_idle": "3",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}
"""The server notices within `TAKEN_S` that the machine or the network of a session is gone, and
lets its lock go. By itself it would take two hours (Linux, tcp(7), `tcp_keepalive_time`)."""

log = structlog.get_logger("worker")


class Instance:
    """A session with a lock on the name. `run_once()` takes it again after the session was lost.

    Two processes under one transactional id would fence each other for ever. The lock
    ends with the session: a process that died lets it go.
    """

    def __init__(self, url: str, owner: str, instance_id: str) -> None:
        """`owner` is what is locked, `instance_id` what a person knows it by."""
        self._url = url
        self._owner = owner
        self._instance_id = instance_id
        self._connection: Connection | None = None
        self._taken: Deadline | None = None
        self._backoff = Backoff()
        self._outage = Outage()

    def take(self) -> None:
        """Take the name, before the process does anything under it.

        `SettingsError` where another process has it, `ServerError` where the
        database is away.
        """
        pause = threading.Event()
        while not self._try():
            pause.wait(TAKEN_RETRY_S)

    def run_once(self) -> float:
        """See that the name is ours, or take it again; seconds until the next time.

        `SettingsError` where another process took it while the session was lost.
        """
        try:
            is_ours = self._try()
        except (psycopg.OperationalError, psycopg.InterfaceError, ServerError) as error:
            return self._lose(error)
        if not is_ours:
            return TAKEN_RETRY_S
        if over := self._outage.end():
            log.info(
                "instance_lock_back",
                instance_id=self._instance_id,
                after=over.after,
                seconds=over.seconds,
            )
        self._backoff.reset()
        return LOOK_S

    def close(self) -> None:
        """Let the name go."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.close()

    def _try(self) -> bool:
        """Whether the name is ours; `SettingsError` once another has had it for too long."""
        if self._connection is None:
            self._connection = database.connect(
                self._url, application="outbox-worker instance", options=OPTIONS
            )
        if server.lock_instance(self._connection, self._owner):
            self._taken = None
            return True
        self._taken = self._taken or Deadline(TAKEN_S)
        if self._taken.passed:
            self.close()
            raise SettingsError(
                f"Another process runs under OUTBOX_INSTANCE_ID {self._instance_id}",
                "Give each worker its own instance id, or leave it unset",
            )
        return False

    def _lose(self, error: Exception) -> float:
        self.close()
        self._taken = None
        if self._outage.begin(error):
            log.warning(
                "instance_lock_lost",
                instance_id=self._instance_id,
                error=self._outage.words,
                meaning="until it is taken again, another process could start under this name",
            )
        return self._backoff.next()
