"""Starts the worker so that of events of one type no record can be made.

    python -m tests.harness.failing_records TYPE [arguments of outbox-worker]

It stands for whatever may go wrong while one record is prepared. The product knows nothing
of it: `headers_of` is another function here.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from outbox_worker.relay import record

if TYPE_CHECKING:
    from outbox_worker.position.row import EventRow
    from outbox_worker.relay.record import Header


def main() -> None:
    """Put the failing function in place, then run the command."""
    kind, *arguments = sys.argv[1:]
    headers_of = record.headers_of

    def failing(row: EventRow, source: Header) -> list[Header]:
        if row[6] == kind:
            message = f"{kind} has no headers"
            raise LookupError(message)
        return headers_of(row, source)

    # The product takes the name from the module when it is imported, below.
    setattr(record, headers_of.__name__, failing)
    sys.argv = ["outbox-worker", *arguments]
    from outbox_worker.cli import main as command  # noqa: PLC0415

    command()


if __name__ == "__main__":
    main()
