"""Whether the table holds the history that was published from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outbox_worker.doctor.finding import Finding, failed, passed
from outbox_worker.errors import HistoryLostError
from outbox_worker.postgres import switchover
from outbox_worker.published import witnesses

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers


def look(servers: Servers) -> Finding:
    """Fails where positions are of another history, or rows came from another server."""
    try:
        with servers.reading() as link:
            switchover.see_that_numbers_go_on(link)
            switchover.see_that_events_are_ours(link)
            lost = witnesses.invalid_in_mirror(link)
    except HistoryLostError as error:
        return failed(error.message, error.hint)
    if lost:
        return failed(
            witnesses.in_words(lost),
            "See that OUTBOX_DATABASE_URL leads to the right database, stop the workers, and have "
            "rebase find out by event id what is published",
            "outbox-worker rebase",
            "outbox-worker rebase --execute",
        )
    return passed("the events that were published last are in the table")
