"""Whether our login may do its work in this database; asked before any of it.

Docs: docs/operations.md, Postgres roles and connections.
"""

from __future__ import annotations

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
    roles = ", ".join(f"outbox_{part}" for part in access.missing)
    if not roles and access.is_let_in:
        return
    login = identifiers.Identifier(access.login).as_string(connection)
    raise ServerError(
        f"The database {access.database} refuses the login {access.login}: it lacks "
        f"{roles or 'the right USAGE on the schema outbox'}",
        "Grant this user what its work needs: "
        f"GRANT {roles or 'USAGE ON SCHEMA outbox'} TO {login};",
    )
