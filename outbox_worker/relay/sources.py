"""Which CloudEvents source the events of a writer have: its own, or that of the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outbox_worker.stores import source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outbox_worker.relay.record import Header
    from outbox_worker.stores import Connection


class Sources:
    """The `ce_source` headers of writers, asked for with a new connection and every second."""

    def __init__(self, default: str) -> None:
        """Writers without a source of their own have `default`."""
        self.default: Header = ("ce_source", default)
        self.by_writer: Mapping[str | None, Header] = {}
        """Replaced as a whole: a thread that reads it needs no lock."""

    def refresh(self, connection: Connection) -> None:
        """Ask the table; psycopg's errors."""
        found = source.list_sources(connection)
        self.by_writer = {writer: ("ce_source", text) for writer, text in found.items()}
