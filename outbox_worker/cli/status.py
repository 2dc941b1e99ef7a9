"""`outbox-worker status`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console
from rich.table import Table

from outbox_worker import database, logs, migrations, settings
from outbox_worker.cli.options import settings_help
from outbox_worker.stores import lag

if TYPE_CHECKING:
    from outbox_worker.stores.lag import ShardLag

STUCK_S: Final = 30.0
"""An event that waits longer is held up: its shard is held, or no worker runs."""


@click.command("status", epilog=settings_help())
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def command(*, as_json: bool) -> None:
    """Show each shard: owner, age of its position, events not yet published.

    It is the view outbox.lag, as the workers write it to Postgres about once a second. A
    shard whose events wait for more than 30 s is "held": the log of its worker says why
    (or no worker runs). "other group": OUTBOX_GROUP is not the group that publishes.
    """
    found = settings.load()
    logs.set_up(found.log_level)
    with database.connect(found.need_database(), application="outbox-worker status") as link:
        migrations.check(link)
        rows = lag.list_lag(link)
    if as_json:
        click.echo(json.dumps(_as_json(rows, found.group)))
    else:
        Console().print(_as_table(rows, found.group))


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


def _seconds(value: float) -> str:
    return f"{value:,.1f} s"
