"""Whether something between us and Postgres shares sessions among its clients."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from outbox_worker.doctor.finding import Finding, passed
from outbox_worker.postgres import database, session

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers


def look(servers: Servers) -> Finding:
    """Fails where the process of a session changes, or no second session is to be had."""
    link = servers.postgres
    url = servers.settings.need_database()
    if session.require_own_process(link, partial(database.open_beside, url, link)):
        return passed("a pooler stands between, and each session keeps its process")
    return passed("none stands between")
