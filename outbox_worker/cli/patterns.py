"""What `grant` and `revoke` share: a role, patterns of topics and commands, and a warning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import click

from outbox_worker.postgres.rights import Patterns
from outbox_worker.stores import right

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from outbox_worker.stores import Connection

Command = TypeVar("Command", bound="Callable[..., None]")


def with_patterns(command: Command) -> Command:
    """The argument and the options by which a command gets a role and patterns."""
    for option in (
        click.option("--database", is_flag=True, help="use the outbox of this database"),
        click.option("--actor", "actors", multiple=True, help="actors of --command [*]"),
        click.option("--command", "types", multiple=True, help="types of commands; repeatable"),
        click.option("--topic", "topics", multiple=True, help="topics; repeatable"),
        click.argument("role"),
    ):
        command = option(command)
    return command


def patterns_of(
    topics: tuple[str, ...], types: tuple[str, ...], actors: tuple[str, ...], *, database: bool
) -> Patterns:
    """The patterns that were given; `click.UsageError` where they make no right."""
    if not topics and not types and not database:
        raise click.UsageError(
            "Give --topic or --command, as often as there are patterns, or --database."
        )
    if actors and not types:
        raise click.UsageError("--actor belongs to --command.")
    if "" in (*topics, *types, *actors):
        raise click.UsageError("A pattern is not empty; * stands for everything.")
    return Patterns(topics, types, actors or ("*",), database)


MAY_NOT: Final[Mapping[str, str]] = {
    "topic": "has outbox_writer and may write to no topic",
    "command": "has outbox_writer and may submit no command",
    "database": "has a role of the outbox and may not use this database",
}


def warn_of_refused(connection: Connection, *, database: bool = True) -> None:
    """Name on standard error the logins that can do nothing of a kind.

    Without `database`, not those that may not use it: they are those of other databases.
    """
    for each in right.list_refused(connection):
        if database or each.kind != "database":
            click.echo(f"warning: {each.login} {MAY_NOT[each.kind]}", err=True)
