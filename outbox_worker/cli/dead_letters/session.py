"""What the commands about dead letters share: a session, and their options."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

from outbox_worker import settings
from outbox_worker.cli.options import DATABASE, settings_help
from outbox_worker.dead_letters.selection import asked_for
from outbox_worker.logs import safe_text
from outbox_worker.postgres import access, database, migrations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

    from outbox_worker.stores import Connection

Command: TypeAlias = Callable[..., None]

NAME: Final = "outbox-worker dead-letters"
EPILOG: Final = settings_help((*DATABASE, "log_values"))

OPTIONS: Final[Mapping[str, str]] = {
    "lock_timeout": "5s",
    "statement_timeout": "60s",
    "jit": "off",
    "enable_seqscan": "off",
}

WAIT_S: Final = 60.0


@contextmanager
def session() -> Iterator[Connection]:
    """A session in a database whose schema is the program's."""
    found = settings.load()
    safe_text.show_values(shown=found.log_values == "on")
    with database.connect(found.need_database(), application=NAME, options=OPTIONS) as link:
        access.need(link)
        migrations.check(link)
        yield link


def which(*, everything: bool) -> Callable[[Command], Command]:
    """Options that say which events are meant, as one parameter `asked`; perhaps with `--all`."""

    def with_options(command: Command) -> Command:
        @wraps(command)
        def packed(
            *,
            topic: str | None,
            key: str | None,
            event: UUID | None,
            is_all: bool = False,
            **given: Any,  # noqa: ANN401  what click gives
        ) -> None:
            asked = asked_for(topic, key, event, everything=is_all)
            command(asked=asked, **given)

        wrapped: Command = packed
        if everything:
            wrapped = click.option("--all", "is_all", is_flag=True, help="all dead letters")(
                wrapped
            )
        wrapped = click.option("--event", metavar="ID", type=click.UUID, help="one event")(wrapped)
        wrapped = click.option("--key", metavar="KEY", help="one key of the topic")(wrapped)
        return click.option("--topic", metavar="TOPIC", help="events of this topic")(wrapped)

    return with_options


@dataclass(frozen=True, slots=True)
class How:
    """Whether to do it, and for how many seconds to wait for the workers."""

    execute: bool
    no_wait: bool
    seconds: float


def carried_out(command: Command) -> Command:
    """Options of what workers carry out, as one parameter `how`."""

    @wraps(command)
    def packed(
        *,
        execute: bool,
        no_wait: bool,
        seconds: float,
        **given: Any,  # noqa: ANN401  what click gives
    ) -> None:
        command(how=How(execute, no_wait, seconds), **given)

    wait = click.option(
        "--wait",
        "seconds",
        type=click.FloatRange(1.0, 86_400.0),
        default=WAIT_S,
        show_default=True,
        help="give up after so many seconds in which nothing moved",
    )
    no_wait = click.option("--no-wait", is_flag=True, help="only ask the workers for it")
    return executed(no_wait(wait(packed)))


def executed(command: Command) -> Command:
    """The option without which only the plan is shown."""
    return click.option("--execute", is_flag=True, help="do it; without it, only the plan")(command)
