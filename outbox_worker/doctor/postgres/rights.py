"""What this login may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg import sql as identifiers

from outbox_worker.doctor.faults import quoted
from outbox_worker.doctor.finding import Finding, failed, passed
from outbox_worker.stores import right

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers

PARTS: Final = ("relay", "commands")


def look(servers: Servers) -> Finding:
    """Fails where the login may neither publish nor execute commands, or is shut out."""
    with servers.reading() as link:
        access = right.find_access(link, PARTS)
        login = identifiers.Identifier(access.login).as_string(link)
    if not access.is_let_in and access.is_closed:
        return failed(
            f"the database {access.database} is closed to the login {access.login}",
            "Let it in, as a member of outbox_operator or the owner of the schema",
            f"outbox-worker grant {quoted(access.login)} --database",
        )
    if not access.is_let_in or len(access.missing) == len(PARTS):
        return failed(
            f"the login {access.login} may neither publish nor execute commands",
            "Grant it the role of a worker, or have OUTBOX_DATABASE_URL name the worker's login",
            f"GRANT outbox_worker TO {login};",
        )
    if access.missing:
        (held,) = set(PARTS) - set(access.missing)
        return passed(f"{access.login} may only do the work of `run --role {held}`")
    return passed(f"{access.login} may publish and execute commands")
