"""Whether our login may do its work in this database; asked before any of it.

Docs: docs/operations.md, Postgres roles and connections.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Literal

from psycopg import sql as identifiers

from outbox_worker.errors import ServerError
from outbox_worker.stores import right

if TYPE_CHECKING:
    from outbox_worker.stores import Connection

Part = Literal["relay", "commands", "purge"]
"""A part of a worker's rights: what a login may do that is a member of the role `outbox_PART`."""


def need(connection: Connection, *parts: Part) -> None:
    """See that this login may use the outbox, and has these parts of a worker's rights.

    `ServerError` that names the GRANT where it has not. Where the tables are not there yet nothing
    is lacking: `migrations.check` says so.
    """
    access = right.find_access(connection, parts)
    if access.is_let_in and not access.missing:
        return
    login = identifiers.Identifier(access.login).as_string(connection)
    roles = ", ".join(f"outbox_{part}" for part in access.missing)
    absent, ways = [], []
    if roles:
        absent.append(roles)
        ways.append(f"GRANT {roles} TO {login};")
    if not access.is_let_in and access.is_closed:
        absent.append("the right to use this database")
        ways.append(f"outbox-worker grant {shlex.quote(access.login)} --database")
    elif not access.is_let_in and not roles:
        absent.append("a role that may use the schema outbox")
        ways.append(f"GRANT outbox_reader TO {login};")
    raise ServerError(
        f"The database {access.database} refuses the login {access.login}: it lacks "
        f"{' and '.join(absent)}",
        f"Grant this user what its work needs: {' '.join(ways)}",
    )
