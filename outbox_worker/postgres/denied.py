"""The GRANT that mends a right that a command of the application lacks (SQLSTATE 42501)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg

from outbox_worker.stores import right

if TYPE_CHECKING:
    from outbox_worker.stores import Connection

ROLE: Final = "outbox_commands"
"""What an application grants to this role, every login has that executes commands."""

ELSE: Final = (
    f"Grant {ROLE} what the application's commands need; the log of Postgres has the statement"
)


def grants(connection: Connection, message: str) -> list[str]:
    """The statements that give what `message` of Postgres says is denied to this login.

    It names no schema: of several things with one name each has its statement. Empty where this
    login lacks nothing that has this name. Raises what Postgres answers with.
    """
    found = right.list_denied(connection, message)
    return [f"GRANT {each.rights} ON {each.thing} TO {ROLE};" for each in found]


def hint(connection: Connection, message: str) -> str:
    """What to do about it, in one line; also where the database does not say more now."""
    try:
        lines = grants(connection, message)
    except psycopg.Error:
        return ELSE
    return f"As the owner: {' '.join(lines)}" if lines else ELSE
