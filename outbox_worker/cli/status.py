"""`outbox-worker status`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from outbox_worker import database, logs, migrations, settings
from outbox_worker.cli.options import settings_help
from outbox_worker.relay import evidence
from outbox_worker.stores import command as inbox
from outbox_worker.stores import lag

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from outbox_worker.stores.command import Queued
    from outbox_worker.stores.lag import ShardLag

STUCK_S: Final = 30.0
"""An event that waits longer is held up, unless its shard moved since: its worker catches up."""

LOST: Final = "history lost"
UNKNOWN: Final = "?"
"""How many events wait, where the positions do not say it."""


@click.command("status", epilog=settings_help())
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def command(*, as_json: bool) -> None:
    """Show each shard (owner, age of its position, events not yet published) and the commands.

    It is the view outbox.lag, as the workers write it to Postgres about once a second. A
    shard whose events wait for more than 30 s, and which has not moved for as long, is
    "held": the log of its worker says why (or no worker runs). "other group": OUTBOX_GROUP
    is not the group that publishes. "history lost": its position is not of this table, as
    after a dump, so that nobody knows what is published; see `outbox-worker rebase`.

    Commands are shown by type: how many are queued, how many of these wait for a retry,
    and for how long the oldest has been waiting.
    """
    found = settings.load()
    logs.set_up(found.log_level)
    with database.connect(found.need_database(), application="outbox-worker status") as link:
        migrations.check(link)
        rows = lag.list_lag(link)
        lost = evidence.lost_in_mirror(link)
        queued = inbox.list_queued(link)
    shards = [_Shard(row, _state(row, found.group, lost)) for row in rows]
    if as_json:
        shown = _as_json(shards, found.group, lost) | {"commands": _commands_as_json(queued)}
        click.echo(json.dumps(shown))
        return
    console = Console()
    console.print(_as_table(shards, found.group), _commands_as_table(queued))
    if lost:
        console.print(f"{evidence.in_words(lost)}. Stop the workers, then {evidence.WAY_OUT}")


class _Shard(NamedTuple):
    """A shard as it is shown: what the view says of it, and its state."""

    row: ShardLag
    state: str

    @property
    def events(self) -> int | None:
        """How many events wait, None where nobody knows."""
        return None if self.state == LOST else self.row.events

    @property
    def seconds(self) -> float | None:
        """For how long the oldest of them has been waiting."""
        return None if self.state == LOST else self.row.seconds


def _state(row: ShardLag, group: str, lost: Collection[int]) -> str:
    if row.shard in lost:
        return LOST
    if row.group_name is not None and row.group_name != group:
        return "other group"
    stands_still = row.position_seconds is None or row.position_seconds > STUCK_S
    if row.events and row.seconds > STUCK_S and stands_still:
        return "held"
    if row.group_name is None:
        return "waiting" if row.events else "unused"
    return "behind" if row.events else "up to date"


def _events(shards: list[_Shard]) -> int | None:
    """How many events wait in all, None where of some shard nobody knows."""
    known = [each.events for each in shards if each.events is not None]
    return sum(known) if len(known) == len(shards) else None


def _oldest(shards: list[_Shard]) -> float | None:
    """For how long the oldest event of all has been waiting, None likewise."""
    known = [each.seconds for each in shards if each.seconds is not None]
    return max(known, default=0.0) if len(known) == len(shards) else None


def _as_json(shards: list[_Shard], group: str, lost: Mapping[int, str]) -> dict[str, object]:
    return {
        "group": group,
        "history_lost": evidence.in_words(lost) if lost else None,
        "events": _events(shards),
        "seconds": _oldest(shards),
        "shards": [
            {
                "shard": row.shard,
                "state": shard.state,
                "owner": row.worker,
                "group": row.group_name,
                "position_time": row.position_time and row.position_time.isoformat(),
                "position_seconds": row.position_seconds,
                "events": shard.events,
                "seconds": shard.seconds,
            }
            for shard in shards
            for row in [shard.row]
        ],
    }


def _as_table(shards: list[_Shard], group: str) -> Table:
    rows = [shard.row for shard in shards]
    table = Table(title=f"group {group}", show_footer=True)
    table.add_column("shard", "all", justify="right")
    table.add_column("state")
    table.add_column(
        "owner", f"workers: {len({row.worker for row in rows} - {None, ''})}", overflow="fold"
    )
    table.add_column("position age", justify="right")
    table.add_column("events waiting", _count(_events(shards)), justify="right")
    table.add_column("oldest waits", _seconds(_oldest(shards)), justify="right")
    for shard in shards:
        row, state = shard
        shown = f"{state}: {row.group_name}" if state == "other group" else state
        age = "" if row.position_seconds is None else _seconds(row.position_seconds)
        waits = "" if shard.events == 0 else _seconds(shard.seconds)
        table.add_row(str(row.shard), shown, row.worker or "", age, _count(shard.events), waits)
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


def _count(value: int | None) -> str:
    return UNKNOWN if value is None else str(value)


def _seconds(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.1f} s"
