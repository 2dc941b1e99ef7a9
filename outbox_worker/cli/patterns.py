"""What `grant` and `revoke` share: a role, patterns of topics and commands, and a warning."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click

from outbox_worker.postgres.rights import Patterns
from outbox_worker.stores import right

if TYPE_CHECKING:
    from collections.abc import Callable

    from outbox_worker.stores import Connection

Command = TypeVar("Command", bound="Callable[..., None]")


def with_patterns(command: Command) -> Command:
    """The argument and the options by which a command gets a role and patterns."""
    for option in (
        click.option("--actor", "actors", multiple=True, help="actors of --command [*]"),
        click.option("--command", "types", multiple=True, help="types of commands; repeatable"),
        click.option("--topic", "topics", multiple=True, help="topics; repeatable"),
        click.argument("role"),
    ):
        command = option(command)
    return command


def patterns_of(
    topics: tuple[str, ...], types: tuple[str, ...], actors: tuple[str, ...]
) -> Patterns:
    """The patterns that were given; `click.UsageError` where they make no right."""
    if not topics and not types:
        raise click.UsageError("Give --topic or --command, as often as there are patterns.")
    if actors and not types:
        raise click.UsageError("--actor belongs to --command.")
    if "" in (*topics, *types, *actors):
        raise click.UsageError("A pattern is not empty; * stands for everything.")
    return Patterns(topics, types, actors or ("*",))


def warn_of_refused(connection: Connection) -> None:
    """Name on standard error the logins of writers that can write nothing of a kind."""
    for each in right.list_refused(connection):
        what = "write to no topic" if each.kind == "topic" else "submit no command"
        click.echo(f"warning: {each.login} has outbox_writer and may {what}", err=True)
