"""Tables of ours of which a publication makes Postgres refuse changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outbox_worker.doctor.finding import Finding, failed, passed
from outbox_worker.stores import doctor

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers

MOST: Final = 5


def look(servers: Servers) -> Finding:
    """Fails where a table in a publication has no replica identity: no row of it can be changed."""
    schemas = sorted({"outbox", *(name for each in servers.tables for name in each.schemas)})
    with servers.reading() as link:
        found = doctor.list_unidentified(link, schemas)
    if not found:
        return passed("no table without a replica identity is in a publication")
    named = ", ".join(f"{each.table} ({each.publication})" for each in found[:MOST])
    more = f" and {len(found) - MOST} more" if len(found) > MOST else ""
    return failed(
        f"Postgres refuses UPDATE and DELETE of {named}{more}",
        "Give the tables a replica identity, as their owner, or take them out of the publication",
        *(f"ALTER TABLE {each.table} REPLICA IDENTITY DEFAULT;" for each in found[:MOST]),
    )
