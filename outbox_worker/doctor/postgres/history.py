"""Whether the table holds the history that was published from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outbox_worker.doctor.finding import Finding, failed, passed
from outbox_worker.errors import HistoryLostError
from outbox_worker.postgres import switchover
from outbox_worker.published import witnesses
from outbox_worker.stores import doctor

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers

REBASE: Final = ("outbox-worker rebase", "outbox-worker rebase --execute")


def look(servers: Servers) -> Finding:
    """Fails where positions are of another history, or rows came from another server.

    After a fail-over the mirror may have lost what the table lost: only Kafka's positions, which
    the workers see, are ahead of both.
    """
    try:
        with servers.reading() as link:
            switchover.see_that_numbers_go_on(link)
            switchover.see_that_events_are_ours(link)
            lost = witnesses.invalid_in_mirror(link)
            refusals = doctor.list_refusals(link)
    except HistoryLostError as error:
        return failed(error.message, error.hint)
    if lost:
        return failed(
            witnesses.in_words(lost),
            "See that OUTBOX_DATABASE_URL leads to the right database, stop the workers, and have "
            "rebase find out by event id what is published",
            *REBASE,
        )
    if refusals:
        (reason, hint), *_ = refusals
        return failed(
            f"the workers refuse to publish: {reason}",
            hint,
            *(REBASE if REBASE[0] in hint else ()),
        )
    return passed("the events that were published last are in the table")
