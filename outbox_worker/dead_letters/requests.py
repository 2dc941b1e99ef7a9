"""A request to the workers, and what comes of it.

Only the worker of a shard parks and redrives: a command asks for it, and waits.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import psycopg

from outbox_worker.dead_letters.selection import LIST
from outbox_worker.errors import ServerError, WorkFailedError
from outbox_worker.stores import ledger
from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from outbox_worker.stores import Connection
    from outbox_worker.stores.ledger import Asked, Order

ASK_EVERY_S: Final = 0.25
"""Workers look for requests about twice a second."""

REST: Final = 3
"""How many times as long as a look at all that waits took to wait with the next."""

OPEN: Final = "open"
FAILED: Final = "failed"


@contextmanager
def asking() -> Iterator[None]:
    """Errors of the functions of the database as those of the command."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise ServerError(
            f"The database refuses us: {error.diag.message_primary}",
            "Parked events are decided about by members of outbox_operator: let "
            "OUTBOX_DATABASE_URL name such a login, or let an administrator grant the role",
        ) from error
    except psycopg.errors.NoDataFound as error:
        raise WorkFailedError(
            f"Nothing was asked for: {error.diag.message_primary}",
            f"{error.diag.message_hint or ''} {LIST}".strip(),
        ) from error


def outcome_of(
    connection: Connection, request: int, seconds: float, say: Callable[[int], object]
) -> list[Order]:
    """The orders of a request when all are over; `say` hears how many events are done.

    `WorkFailedError` where nothing moved for so many seconds: it stays asked for.
    """
    deadline, before = Deadline(seconds), None
    while True:
        orders = ledger.list_orders(connection, request)
        left = [each for each in orders if each.state == OPEN and each.shard is not None]
        if not left:
            return orders
        done = sum(each.events for each in orders)
        now = (len(left), done, ledger.count_refused(connection, request))
        say(done)
        if now != before:
            deadline, before = Deadline(seconds), now
        if not deadline.pause(ASK_EVERY_S):
            raise _not_taken_up(connection, left, seconds)


def await_parked(
    connection: Connection, asked: Asked, seconds: float, say: Callable[[int], object]
) -> None:
    """Wait until nothing that waits now of a topic does; `WorkFailedError` as in `outcome_of`.

    What is written meanwhile is parked as it comes.
    """
    deadline, before = Deadline(seconds), None
    last: int | None = None
    while True:
        began = time.monotonic()
        waiting = ledger.list_waiting(connection, asked, last)
        if not waiting:
            return
        last = max(each.last for each in waiting) if last is None else last
        left = sum(each.events for each in waiting)
        say(left)
        if left != before:
            deadline, before = Deadline(seconds), left
        if not deadline.pause(max(ASK_EVERY_S, REST * (time.monotonic() - began))):
            shards = ", ".join(str(each.shard) for each in waiting)
            raise WorkFailedError(
                f"{left} events of the topic still wait, in shards {shards}, and none was parked "
                f"for {seconds:.0f} s",
                "They will be parked as soon as a worker serves these shards: see "
                "`outbox-worker status`",
            )


def see_that_none_failed(orders: Sequence[Order]) -> None:
    """`WorkFailedError` with what the workers say of those that did not succeed."""
    failed = [each for each in orders if each.state == FAILED]
    if failed:
        first = failed[0]
        more = f" (and {len(failed) - 1} more shards)" if len(failed) > 1 else ""
        raise WorkFailedError(
            f"Shard {first.shard}: {first.outcome}{more}",
            "What is not done stays parked: `outbox-worker dead-letters show EVENT_ID` says why",
        )


def nobody_serves(connection: Connection) -> str:
    """That no worker is connected, in words; empty where one is."""
    if ledger.count_relays(connection):
        return ""
    return "no worker that publishes is connected to this database: start one (outbox-worker run)"


def _not_taken_up(connection: Connection, left: Sequence[Order], seconds: float) -> WorkFailedError:
    shards = ", ".join(sorted({str(each.shard) for each in left}, key=int))
    why = nobody_serves(connection)
    return WorkFailedError(
        f"No worker has carried it out for {seconds:.0f} s, of shards {shards}{why and f': {why}'}",
        "It stays asked for: the worker of the shard does it as soon as it can. See "
        "`outbox-worker status` whether one serves the shard, and "
        "`outbox-worker dead-letters show EVENT_ID` for what came of it",
    )
