"""Whether the tables are those of this program, letter for letter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outbox_worker.doctor.finding import Finding, failed, passed
from outbox_worker.errors import SchemaVersionError
from outbox_worker.postgres import migrations

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers


def look(servers: Servers) -> Finding:
    """Fails where a migration is missing, unknown, or ran with another text."""
    try:
        with servers.reading() as link:
            migrations.check(link, servers.tables)
    except SchemaVersionError as error:
        is_behind = "outbox-worker migrate" in error.hint
        return failed(error.message, error.hint, *(["outbox-worker migrate"] * is_behind))
    return passed(", ".join(f"{each.owner} {len(each.migrations)}" for each in servers.tables))
