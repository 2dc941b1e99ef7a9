"""Whether the server is new enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outbox_worker.doctor.finding import Finding, passed
from outbox_worker.postgres import migrations

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers


def look(servers: Servers) -> Finding:
    """Fails where it is older than the statements need."""
    migrations.check_server(servers.postgres)
    number = servers.postgres.info.server_version
    return passed(f"Postgres {number // 10_000}.{number % 10_000}")
