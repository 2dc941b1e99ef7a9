"""How long each statement takes and how it fails, by the name in its first line."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final

import psycopg
from prometheus_client import Counter, Histogram
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry
    from psycopg.abc import Params, Query

SECONDS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
NAME: Final = re.compile(rb"-- (\w+/\w+)\n")


class StatementMetrics:
    """Times and errors of the statements in `sql/`; others (BEGIN, a check) are not counted."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register both in `registry`."""
        self._seconds = Histogram(
            "outbox_db_statement_seconds",
            "One statement, as its caller waits for it",
            ["statement"],
            buckets=SECONDS,
            registry=registry,
        )
        self._errors = Counter(
            "outbox_db_errors",
            "Statements that failed",
            ["statement", "sqlstate"],
            registry=registry,
        )
        # By its text: a statement is one object for as long as the process lives.
        self._observers: dict[bytes, Callable[[float], None]] = {}

    def cursor_factory(self) -> type[psycopg.Cursor[Any]]:
        """A class of cursors that are measured here, for `cursor_factory` of a connection."""
        return type("Cursor", (MeasuredCursor,), {"metrics": self})

    def took(self, query: Query, seconds: float) -> None:
        """A statement ended."""
        if isinstance(query, bytes):
            observe = self._observers.get(query) or self._observer(query)
            if observe is not None:
                observe(seconds)

    def failed(self, query: Query, error: psycopg.Error) -> None:
        """A statement failed; `none` where the server could say nothing any more."""
        name = name_of(query)
        if name is not None:
            self._errors.labels(name, error.sqlstate or "none").inc()

    def _observer(self, query: bytes) -> Callable[[float], None] | None:
        name = name_of(query)
        if name is None:
            return None
        return self._observers.setdefault(query, self._seconds.labels(name).observe)


def name_of(query: Query) -> str | None:
    """The name in the first line of a statement, None where there is none."""
    found = NAME.match(query) if isinstance(query, bytes) else None
    return found and found[1].decode()


class MeasuredCursor(psycopg.Cursor[Any]):
    """Tells `metrics` of every statement. In pipeline mode the time is that of sending."""

    metrics: StatementMetrics

    @override
    def execute(
        self,
        query: Any,  # any form that psycopg takes
        params: Params | None = None,
        *,
        prepare: bool | None = None,
        binary: bool | None = None,
    ) -> MeasuredCursor:
        began = time.perf_counter()
        try:
            super().execute(query, params, prepare=prepare, binary=binary)
        except psycopg.Error as error:
            self.metrics.failed(query, error)
            raise
        finally:
            self.metrics.took(query, time.perf_counter() - began)
        return self
