"""`outbox-worker commands`: list, show, retry."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from outbox_worker import logs, settings
from outbox_worker.cli.options import DATABASE, moment, settings_help
from outbox_worker.commands import retries
from outbox_worker.commands.retries import Selection
from outbox_worker.errors import SettingsError
from outbox_worker.logs.safe_text import printable
from outbox_worker.postgres import access, database, migrations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from uuid import UUID

    from outbox_worker.commands.retries import Planned, Shown
    from outbox_worker.stores import Connection
    from outbox_worker.stores.retry import FailedCommand

NAME: Final = "outbox-worker commands"

OPTIONS: Final[Mapping[str, str]] = {
    "lock_timeout": "2s",
    "statement_timeout": "20s",
    "jit": "off",
}

EPILOG: Final = settings_help((*DATABASE, "log_level", "log_values"))

EFFECTS: Final = (
    "A command that was set aside is queued behind those that wait of its key: later ones of the "
    "key have run without it. Its writer has read `rejected`, and subscribers the event "
    "command.rejected.v1: the status becomes `queued` again, and the outcome comes anew, with its "
    "events. One that was submitted again under another id is executed twice. One that waits for "
    "its next attempt is due at once, in its place."
)

State = Literal["set_aside", "waiting"]


def with_since(command: Callable[..., None]) -> Callable[..., None]:
    """The option `--since`."""
    return click.option(
        "--since",
        metavar="TIMESTAMP",
        callback=moment,
        help="only those that failed last at this time or later",
    )(command)


@click.group("commands")
def command() -> None:
    """Show commands that failed, and have them tried again.

    A command whose attempts all failed is set aside: rejected with INTERNAL_ERROR, and its key
    continues. Run it with the login of a worker (list, show), or of a member of outbox_operator.
    """


@command.command("list", epilog=EPILOG)
@click.option("--type", "kind", metavar="TYPE", help="only commands of this type")
@click.option("--key", metavar="KEY", help="only commands of this key")
@click.option(
    "--state",
    type=click.Choice(["set_aside", "waiting"]),
    help="only those that were set aside, or that wait for their next attempt",
)
@with_since
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    help="at most so many, those submitted first",
)
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def list_(
    kind: str | None,
    key: str | None,
    state: State | None,
    since: datetime | None,
    limit: int,
    *,
    as_json: bool,
) -> None:
    """Show commands that were set aside, or wait for their next attempt, with the cause."""
    selection = Selection(None, state, kind, key, since, limit)
    with _connected() as link:
        found = retries.select(link, selection)
    if as_json:
        click.echo(json.dumps({"commands": [each._asdict() for each in found]}, default=_plain))
        return
    console = Console()
    for each in found:
        _print(console, each)
    more = f"; there may be more (--limit {limit})" if len(found) == limit else ""
    console.print(f"{len(found)} commands{more}")


@command.command("show", epilog=EPILOG)
@click.argument("command_id", metavar="ID", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def show(command_id: UUID, *, as_json: bool) -> None:
    """Show all that is known of a command: its row, and what happened at each attempt."""
    with _connected() as link:
        found = retries.show(link, command_id)
    if as_json:
        click.echo(json.dumps(_as_json(found), default=_plain))
        return
    console = Console()
    for name, value in found.command._asdict().items():
        if value is not None:
            shown = json.dumps(value) if isinstance(value, dict) else str(value)
            console.print(Text(f"{name:<15}{printable(shown)}"), soft_wrap=True)
    console.print(Text(f"{'set aside':<15}{'yes' if found.is_set_aside else 'no'}"))
    for entry in found.history:
        cause = _cause(entry.error_type, entry.error, entry.place)
        line = f"{_time(entry.at)}  {entry.what}, failures {entry.attempt}, by {entry.written_by}"
        console.print(Text(printable(line)), soft_wrap=True)
        if cause:
            console.print(Text(f"  {cause}"), soft_wrap=True)


@command.command("retry", epilog=EPILOG)
@click.argument("ids", metavar="[ID]...", type=click.UUID, nargs=-1)
@click.option("--type", "kind", metavar="TYPE", help="all of this type")
@click.option("--key", metavar="KEY", help="all of this key")
@with_since
@click.option("--all", "every", is_flag=True, help="all of them")
@click.option("--execute", is_flag=True, help="do it; without it, only the plan")
def retry(
    ids: tuple[UUID, ...],
    kind: str | None,
    key: str | None,
    since: datetime | None,
    *,
    every: bool,
    execute: bool,
) -> None:
    """Have commands tried again that were set aside, or wait for their next attempt.

    Name them by their ids, or by --type, --key, --since, or take --all. Without --execute it shows
    which they are, and how many later commands of their keys have run meanwhile or have the same
    content, and changes nothing. A retry starts all attempts anew; the history keeps who asked.

    Run it as a member of outbox_operator, or as the owner of the schema.
    """
    if sum((bool(ids), bool(kind or key or since), every)) != 1:
        raise SettingsError(
            "Nothing names the commands to try again, or two things do",
            "Give their ids, or --type, --key and --since, or --all",
        )
    selection = Selection(ids or None, None, kind, key, since, None)
    console = Console()
    with _connected() as link:
        planned = retries.plan(link, selection)
        if not execute:
            _show_plan(console, planned)
            return
        done = retries.execute(link, planned.commands)
    for each in done:
        console.print(Text(f"{each.command_id} {printable(each.type)}"), soft_wrap=True)
    left = len(planned.commands) - len(done)
    rest = f"; {left} are in the hands of a worker or somebody else, and stay" if left else ""
    console.print(f"{len(done)} commands are tried again{rest}")


@contextmanager
def _connected() -> Iterator[Connection]:
    """A connection to a database of this version, which this login may use."""
    found = settings.load()
    logs.set_up(found.log_level, values=found.log_values == "on")
    with database.connect(found.need_database(), application=NAME, options=OPTIONS) as link:
        access.need(link)
        migrations.check(link)
        yield link


def _print(console: Console, each: FailedCommand) -> None:
    """Two lines: what it is, and why it failed."""
    now = datetime.now(UTC)
    state = "set aside" if each.state == "set_aside" else "waiting"
    next_try = "" if each.retry_at is None else f", next try {_time(max(each.retry_at, now))}"
    line = (
        f"{each.command_id} {state} {_time(each.at)} after {each.failures} failures{next_try}: "
        f"{each.type}, key {each.key}"
    )
    console.print(Text(printable(line)), soft_wrap=True)
    cause = _cause(each.error_type, each.error, each.place)
    line = f"  {cause or 'no cause is known: see command_postponed in the log'}"
    console.print(Text(line), soft_wrap=True)


def _show_plan(console: Console, planned: Planned) -> None:
    table = Table(title="commands that would be tried again")
    table.add_column("command", no_wrap=True)
    table.add_column("type", overflow="fold")
    table.add_column("key", overflow="fold")
    table.add_column("state", no_wrap=True)
    for name in ("later of its key that ran", "with the same content"):
        table.add_column(name, justify="right")
    for each in planned.commands:
        later = "?", "?"
        if planned.later is not None:
            counted = planned.later.get(each.command_id)
            later = ("0", "0") if counted is None else (str(counted.finished), str(counted.same))
        names = Text(printable(each.type)), Text(printable(each.key))
        table.add_row(str(each.command_id), *names, each.state, *later)
    console.print(table)
    if planned.later is None:
        console.print("?: it took longer than 20 s to count them")
    console.print(EFFECTS)
    console.print("nothing is changed; to do it, add --execute", markup=False)


def _as_json(found: Shown) -> dict[str, object]:
    history = [entry._asdict() for entry in found.history]
    return {**found.command._asdict(), "set_aside": found.is_set_aside, "history": history}


def _cause(error_type: str | None, error: str | None, place: str | None) -> str:
    if error_type is None:
        return ""
    return printable(f"{error_type}: {error}" + (f" ({place})" if place else ""))


def _plain(value: object) -> str:
    """As JSON has it: a time in ISO 8601, an id."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
