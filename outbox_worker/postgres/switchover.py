"""Whether a database that took over from another server, row by row, is ready for work.

Logical replication brings rows with the numbers and the transaction ids of the old server.
Sequences do not come with them, and ids of the new server's own transactions may be lower
than those of rows that are published: new rows would look like old ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from outbox_worker.errors import HistoryLostError, ServerError
from outbox_worker.stores import switchover

if TYPE_CHECKING:
    from outbox_worker.stores import Connection
    from outbox_worker.stores.switchover import Behind


def see_that_numbers_go_on(connection: Connection) -> None:
    """See that new rows get new numbers; `HistoryLostError` where they would not."""
    for each in switchover.list_behind(connection):
        raise HistoryLostError(
            f"The sequence {each.name} stands at {each.reached}, and rows have numbers up to "
            f"{each.highest}: new rows would come before old ones. A switch-over by logical "
            "replication leaves sequences behind",
            "Stop writing if you can, then run `outbox-worker migrate`, which sets it",
        )


def see_that_events_are_ours(connection: Connection) -> None:
    """See that no other server writes, or wrote and is ahead; `HistoryLostError` where one does."""
    see_that_nobody_replicates(connection)
    if switchover.find_foreign(connection).has_future:
        raise HistoryLostError(
            "The table has events of transactions that this server has not begun yet: another "
            "server wrote them (logical replication, a dump), and new events would be taken for "
            "published ones",
            "Stop writing if you can, then run `outbox-worker migrate` and `outbox-worker rebase "
            "--execute`",
        )


def see_that_nobody_replicates(connection: Connection) -> None:
    """See that no subscription writes events; `HistoryLostError` where one does."""
    name = switchover.find_foreign(connection).subscription
    if name is not None:
        raise HistoryLostError(
            f"The subscription {name} of this database still brings events of another server, "
            "whose transaction ids say nothing here",
            "Finish the switch-over: when the old server's last event is here, DROP SUBSCRIPTION "
            f"{name}, then run `outbox-worker migrate` and `outbox-worker rebase --execute`",
        )


def in_words(behind: Behind) -> str:
    """What was done about a sequence, in a line."""
    return (
        f"sequence {behind.name} stood at {behind.reached} and is set above {behind.highest}, "
        "the highest number of a row"
    )


def catch_up(connection: Connection) -> list[Behind]:
    """Set the sequences that are behind; those that were.

    `ServerError` where the right to set them is missing.
    """
    if not switchover.list_behind(connection):
        return []
    try:
        with connection.transaction():
            return switchover.catch_up(connection)
    except psycopg.errors.InsufficientPrivilege as error:
        raise ServerError(
            f"The database refuses to set its sequences: {error.diag.message_primary}",
            "Run `outbox-worker migrate` as the owner of the schema outbox",
        ) from error
