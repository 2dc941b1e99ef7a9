"""What a check may ask: Postgres in read-only transactions, Kafka through an admin client."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar, cast

from outbox_worker.postgres import session
from outbox_worker.stores import doctor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from confluent_kafka.admin import AdminClient

    from outbox_worker.postgres.migrations import Tables
    from outbox_worker.settings import Settings
    from outbox_worker.stores import Connection

Known = TypeVar("Known")

STATEMENT_S: Final = 3
"""How long one statement may take. What takes longer is not seen, and the next check begins."""

LIMITS: Final[Mapping[str, str]] = {
    **{name: value for name, value in session.PINNED.items() if "read_only" not in name},
    "statement_timeout": f"{STATEMENT_S}s",
    "lock_timeout": "500ms",
    "idle_in_transaction_session_timeout": "30s",
    "enable_seqscan": "off",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
}
"""Of each look. They hold until its transaction ends: a pooler may give the session to others."""


@dataclass(frozen=True, slots=True)
class Servers:
    """The settings of the worker, and the servers that answered; those that did not are None."""

    settings: Settings
    tables: tuple[Tables, ...]
    connection: Connection | None = None
    kafka: AdminClient | None = None
    answers: dict[object, object] = field(default_factory=dict)
    """What several checks of a lane ask, by the function that asks it."""

    def once(self, ask: Callable[[Servers], Known]) -> Known:
        """What `ask` returns of these servers; it is called once, or until it raises nothing."""
        if ask not in self.answers:
            self.answers[ask] = ask(self)
        return cast("Known", self.answers[ask])

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read-only transaction in which no statement takes long or waits long for a lock."""
        link = self.postgres
        with link.transaction():
            doctor.limit_look(link, LIMITS)
            yield link

    @property
    def postgres(self) -> Connection:
        """The connection, outside of any transaction; `RuntimeError` where none is open."""
        if self.connection is None:
            raise RuntimeError("a check asks for Postgres and does not say that it needs it")
        return self.connection

    @property
    def admin(self) -> AdminClient:
        """The admin client; `RuntimeError` where there is none."""
        if self.kafka is None:
            raise RuntimeError("a check asks for Kafka and does not say that it needs it")
        return self.kafka
