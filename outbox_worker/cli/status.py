"""`outbox-worker status`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from outbox_worker import database, logs, migrations, settings
from outbox_worker.cli.options import settings_help
from outbox_worker.stores import command as inbox
from outbox_worker.stores import lag

if TYPE_CHECKING:
    from outbox_worker.stores.command import Queued
    from outbox_worker.stores.lag import ShardLag

STUCK_S: Final = 30.0
"""An event that waits longer is held up: its shard is held, or no worker runs."""


@click.command("status", epilog=settings_help())
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def command(*, as_json: bool) -> None:
    """Show each shard (owner, age of its position, events not yet published) and the commands.

    It is the view outbox.lag, as the workers write it to Postgres about once a second. A
    shard whose events wait for more than 30 s is "held": the log of its worker says why
    (or no worker runs). "other group": OUTBOX_GROUP is not the group that publishes.

    Commands are shown by type: how many are queued, how many of these wait for a retry,
    and for how long the oldest has been waiting.
    """
    found = settings.load()
    logs.set_up(found.log_level)
    with database.connect(found.need_database(), application="outbox-worker status") as link:
        migrations.check(link)
        rows = lag.list_lag(link)
        queued = inbox.list_queued(link)
    if as_json:
        shown = _as_json(rows, found.group) | {"commands": _commands_as_json(queued)}
        click.echo(json.dumps(shown))
    else:
        Console().print(_as_table(rows, found.group), _commands_as_table(queued))


def _state(row: ShardLag, group: str) -> str:
    if row.group_name is not None and row.group_name != group:
        return "other group"
    if row.events and row.seconds > STUCK_S:
        return "held"
    if row.group_name is None:
        return "waiting" if row.events else "unused"
    return "behind" if row.events else "up to date"


def _as_json(rows: list[ShardLag], group: str) -> dict[str, object]:
    return {
        "group": group,
        "events": sum(row.events for row in rows),
        "seconds": max((row.seconds for row in rows), default=0.0),
        "shards": [
            {
                "shard": row.shard,
                "state": _state(row, group),
                "owner": row.worker,
                "group": row.group_name,
                "position_time": row.position_time and row.position_time.isoformat(),
                "position_seconds": row.position_seconds,
                "events": row.events,
                "seconds": row.seconds,
            }
            for row in rows
        ],
    }


def _as_table(rows: list[ShardLag], group: str) -> Table:
    table = Table(title=f"group {group}", show_footer=True)
    behind = sum(row.events for row in rows)
    oldest = max((row.seconds for row in rows), default=0.0)
    table.add_column("shard", "all", justify="right")
    table.add_column("state")
    table.add_column(
        "owner", f"workers: {len({row.worker for row in rows} - {None, ''})}", overflow="fold"
    )
    table.add_column("position age", justify="right")
    table.add_column("events waiting", str(behind), justify="right")
    table.add_column("oldest waits", _seconds(oldest), justify="right")
    for row in rows:
        state = _state(row, group)
        shown = f"{state}: {row.group_name}" if state == "other group" else state
        age = "" if row.position_seconds is None else _seconds(row.position_seconds)
        waits = _seconds(row.seconds) if row.events else ""
        table.add_row(str(row.shard), shown, row.worker or "", age, str(row.events), waits)
    return table


def _commands_as_json(rows: list[Queued]) -> dict[str, object]:
    return {
        "queued": sum(row.commands for row in rows),
        "waiting": sum(row.waiting for row in rows),
        "seconds": max((row.seconds for row in rows), default=0.0),
        "types": [row._asdict() for row in rows],
    }


def _commands_as_table(rows: list[Queued]) -> Table:
    table = Table(title="queued commands", show_footer=True)
    oldest = max((row.seconds for row in rows), default=0.0)
    table.add_column("type", "all", overflow="fold")
    table.add_column("queued", str(sum(row.commands for row in rows)), justify="right")
    table.add_column("wait for a retry", str(sum(row.waiting for row in rows)), justify="right")
    table.add_column("oldest waits", _seconds(oldest), justify="right")
    for row in rows:
        # Anybody may insert a type: it is text, not markup.
        kind = Text(row.type)
        table.add_row(kind, str(row.commands), str(row.waiting), _seconds(row.seconds))
    return table


def _seconds(value: float) -> str:
    return f"{value:,.1f} s"
