# long: one command, what it asks and how it is shown, for people and for scripts
"""`outbox-worker status`."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import click
import psycopg
from rich.console import Console
from rich.table import Table
from rich.text import Text

from outbox_worker import logs, settings
from outbox_worker.cli.options import DATABASE, GROUP, settings_help
from outbox_worker.doctor.words import shards as in_words
from outbox_worker.logs.safe_text import printable
from outbox_worker.postgres import access, database, migrations
from outbox_worker.published import witnesses
from outbox_worker.stores import command as inbox
from outbox_worker.stores import lag, ledger
from outbox_worker.stores.lag import MirroredPosition

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from outbox_worker.stores import Connection
    from outbox_worker.stores.command import Queued
    from outbox_worker.stores.lag import ShardLag
    from outbox_worker.stores.ledger import OpenLetters

Known = TypeVar("Known")

OPTIONS: Final[Mapping[str, str]] = {
    "lock_timeout": "2s",
    "statement_timeout": "20s",
    "jit": "off",
    "enable_seqscan": "off",
}
"""Over a backlog of millions a count takes seconds. `status` prints the positions of the workers
within a minute, even while somebody keeps the table of events locked."""

STUCK_S: Final = 30.0
"""For so long a shard may be without a position before somebody should look: to end what a dead
worker left open takes Kafka 20 s."""

TOPICS: Final = 1
"""Dead letters are shown all together; `dead-letters list` has their topics."""

LOST: Final = "history lost"
NO_WORKER: Final = "no worker"
NO_POSITION: Final = "no position"
TO_LOOK_AT: Final = frozenset({"held", NO_WORKER, "refusing", "kafka away", LOST})
"""States that do not pass by themselves, or that somebody has to know of."""

NOT_COUNTED: Final = "not counted"
UNKNOWN: Final = "?"
"""How many events wait, where the positions do not say it, or it was not counted in time."""


BESIDE_OWNER: Final = 71
"""Columns that the other cells of a shard's row take, whatever they hold."""

LEAST_OWNER: Final = 12


@click.command("status", epilog=settings_help((*DATABASE, *GROUP)))
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def command(*, as_json: bool) -> None:
    """Show each shard (owner, age of its position, events not yet published) and the commands.

    It is the view outbox.lag, as the workers write it to Postgres about once a second.
    "held": an event cannot go out; below the table stands why, and what to do. "no worker":
    none runs, or none has the shard. "kafka away": its worker does not reach Kafka, or is
    refused. "no position": Kafka is asked where the shard stands. "refusing" and "history
    lost": its position is not of this table, as after a dump, so that nobody knows what is
    published; see `outbox-worker rebase`. "catching up": events wait, and go out. "other
    group": OUTBOX_GROUP is not the group that publishes. "not counted": that took longer
    than 20 s, or a table was locked; all else is shown.

    Exit code 1: somebody has to look at a shard (held, no worker, kafka away, refusing,
    history lost, or no position for 30 s).

    Commands are shown by type: how many are queued, how many of these wait for a retry,
    and for how long the oldest has been waiting. Dead letters about which nobody has decided
    are one line; they do not count as waiting.
    """
    found = settings.load()
    logs.set_up(found.log_level, values=found.log_values == "on")
    with database.connect(
        found.need_database(), application="outbox-worker status", options=OPTIONS
    ) as link:
        access.need(link)
        migrations.check(link)
        seen = _look(link, found.group)
    if as_json:
        click.echo(json.dumps(_as_json(seen, found.group)))
    else:
        _show(seen, found.group)
    if any(_needs_a_look(shard) for shard in seen.shards):
        raise SystemExit(1)


def _show(seen: _Seen, group: str) -> None:
    """For people: the tables, and below them what is to be done."""
    console = Console()
    room = max(LEAST_OWNER, console.width - BESIDE_OWNER)
    console.print(_as_table(seen.shards, group, room), _commands_as_table(seen.queued))
    _show_long_names(seen.shards, room, console)
    _show_reasons(seen.shards, console)
    if seen.letters:
        console.print(_letters_in_words(seen.letters), markup=False, soft_wrap=True)
    if seen.lost:
        hint = f"Stop the workers, then {witnesses.HINT}"
        console.print(f"{witnesses.in_words(seen.lost)}. {hint}", markup=False)
    if seen.absent:
        console.print(
            f"Not known: {', '.join(seen.absent)}. It took longer than 20 s, or a table is locked "
            "(see pg_stat_activity); ask again"
        )


class _Shard(NamedTuple):
    """A shard as it is shown; how many events wait, and how long, None where nobody knows.

    `row` has why it is in its state, None where that is not asked, or is said otherwise.
    """

    mirrored: MirroredPosition
    state: str
    events: int | None
    seconds: float | None
    row: ShardLag | None = None


class _Seen(NamedTuple):
    """What the database told in time; `absent` names what it did not."""

    shards: list[_Shard]
    lost: Mapping[int, str]
    queued: list[Queued] | None
    letters: list[OpenLetters] | None
    absent: list[str]


def _look(link: Connection, group: str) -> _Seen:
    """Ask for everything, and continue without what does not come in time."""
    rows = _in_time(lag.list_lag, link)
    lost = _in_time(witnesses.invalid_in_mirror, link)
    queued = _in_time(inbox.list_queued, link)
    letters = _in_time(partial(ledger.count_open, most=TOPICS), link)
    found = {"events": rows, "history_lost": lost, "commands": queued, "dead_letters": letters}
    absent = [name for name, got in found.items() if got is None]
    shards = (
        [_uncounted(mirrored, group, lost or {}) for mirrored in lag.list_mirrored(link)]
        if rows is None
        else [_counted(row, group, lost or {}) for row in rows]
    )
    return _Seen(shards, lost or {}, queued, letters, absent)


def _in_time(ask: Callable[[Connection], Known], link: Connection) -> Known | None:
    """The answer; None where it takes too long, or somebody has locked what it is about."""
    try:
        return ask(link)
    except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable):
        return None


def _counted(row: ShardLag, group: str, lost: Collection[int]) -> _Shard:
    mirrored = MirroredPosition(
        row.shard, row.position_time, row.worker, row.group_name, row.position_seconds
    )
    state = _state_by_mirror(mirrored, group, lost)
    if state is not None:
        known = (None, None) if state == LOST else (row.events, row.seconds)
        return _Shard(mirrored, state, *known)
    return _Shard(mirrored, row.state.replace("_", " "), row.events, row.seconds, row)


def _uncounted(mirrored: MirroredPosition, group: str, lost: Collection[int]) -> _Shard:
    state = _state_by_mirror(mirrored, group, lost) or NOT_COUNTED
    return _Shard(mirrored, state, None, None)


def _state_by_mirror(row: MirroredPosition, group: str, lost: Collection[int]) -> str | None:
    """The state where its events do not matter, None where they do."""
    if row.shard in lost:
        return LOST
    return "other group" if row.group_name not in {None, group} else None


def _needs_a_look(shard: _Shard) -> bool:
    if shard.state == NO_POSITION:
        return shard.row is not None and (shard.row.state_seconds or 0.0) > STUCK_S
    return shard.state in TO_LOOK_AT


def _show_reasons(shards: list[_Shard], console: Console) -> None:
    """Below the table why shards do not move: a line for all of one reason, and what mends it."""
    groups: dict[tuple[str, str, str], list[ShardLag]] = {}
    for shard in shards:
        if shard.row is not None and shard.row.reason:
            key = (shard.state, shard.row.reason, shard.row.hint or "")
            groups.setdefault(key, []).append(shard.row)
    for (state, reason, hint), rows in groups.items():
        first = max(rows, key=lambda row: row.state_seconds or 0.0)
        event = f" [event {first.event} to {first.topic}]" if first.event else ""
        since = "" if first.state_seconds is None else f" for {_seconds(first.state_seconds)}"
        named = in_words([row.shard for row in rows])
        line = f"{state}: {named}{since}: {reason}{event}. {hint}"
        console.print(Text(printable(line)), soft_wrap=True)


def _events(shards: list[_Shard]) -> int | None:
    """How many events wait in all, None where of some shard nobody knows."""
    known = [each.events for each in shards if each.events is not None]
    return sum(known) if len(known) == len(shards) else None


def _oldest(shards: list[_Shard]) -> float | None:
    """For how long the oldest event of all has been waiting, None as above."""
    known = [each.seconds for each in shards if each.seconds is not None]
    return max(known, default=0.0) if len(known) == len(shards) else None


def _as_json(seen: _Seen, group: str) -> dict[str, object]:
    return {
        "group": group,
        "history_lost": witnesses.in_words(seen.lost) if seen.lost else None,
        "events": _events(seen.shards),
        "seconds": _oldest(seen.shards),
        "shards": [
            {**_mirrored_as_json(shard), **_why_as_json(shard.row)} for shard in seen.shards
        ],
        "commands": None if seen.queued is None else _commands_as_json(seen.queued),
        "dead_letters": None if seen.letters is None else _letters_as_json(seen.letters),
        "not_known": seen.absent,
    }


def _mirrored_as_json(shard: _Shard) -> dict[str, object]:
    mirrored = shard.mirrored
    return {
        "shard": mirrored.shard,
        "state": shard.state,
        "owner": mirrored.worker,
        "group": mirrored.group_name,
        "position_time": mirrored.position_time and mirrored.position_time.isoformat(),
        "position_seconds": mirrored.position_seconds,
        "events": shard.events,
        "seconds": shard.seconds,
    }


def _why_as_json(row: ShardLag | None) -> dict[str, object]:
    return {
        "reason": row and row.reason,
        "hint": row and row.hint,
        "event": row and row.event,
        "topic": row and row.topic,
        "state_seconds": row and row.state_seconds,
    }


def _letters_as_json(rows: list[OpenLetters]) -> dict[str, object]:
    return {
        "open": sum(row.events for row in rows),
        "sequences": sum(row.sequences for row in rows),
        "seconds": max((row.seconds for row in rows), default=0.0),
    }


def _letters_in_words(rows: list[OpenLetters]) -> str:
    found = _letters_as_json(rows)
    return (
        f"dead letters: {found['open']} events in {found['sequences']} sequences, the oldest "
        f"parked for {found['seconds']:,.0f} s; see outbox-worker dead-letters list"
    )


def _as_table(shards: list[_Shard], group: str, room: int) -> Table:
    """One line for each shard: of a name that is longer than `room` its beginning and end."""
    owners = {each.mirrored.worker for each in shards if each.state != NO_WORKER} - {None, ""}
    table = Table(title=Text(f"group {group}"), show_footer=True)
    table.add_column("shard", "all", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("owner", f"workers: {len(owners)}", no_wrap=True)
    table.add_column("position age", justify="right", no_wrap=True)
    table.add_column("waiting", _count(_events(shards)), justify="right", no_wrap=True)
    table.add_column("oldest waits", _seconds(_oldest(shards)), justify="right", no_wrap=True)
    for mirrored, state, events, seconds, _ in shards:
        age = "" if mirrored.position_seconds is None else _seconds(mirrored.position_seconds)
        waits = "" if events == 0 else _seconds(seconds)
        owner = Text(_shortened(printable(mirrored.worker or ""), room))
        table.add_row(str(mirrored.shard), state, owner, age, _count(events), waits)
    return table


def _show_long_names(shards: list[_Shard], room: int, console: Console) -> None:
    """Below the table the names that stand in it shortened, and of other groups."""
    owners = {printable(each.mirrored.worker) for each in shards if each.mirrored.worker}
    for owner in sorted(each for each in owners if len(each) > room):
        console.print(Text(f"{_shortened(owner, room)} = {owner}"), soft_wrap=True)
    groups = {each.mirrored.group_name or "" for each in shards if each.state == "other group"}
    for other in sorted(groups):
        console.print(Text(f"other group: {printable(other)} publishes here"), soft_wrap=True)


def _shortened(name: str, room: int) -> str:
    """The beginning and the end of a name that is too long: its end tells workers apart."""
    if len(name) <= room:
        return name
    end = (room - 1) // 2
    return f"{name[: room - 1 - end]}…{name[len(name) - end :]}"


def _commands_as_json(rows: list[Queued]) -> dict[str, object]:
    return {
        "queued": sum(row.commands for row in rows),
        "waiting": sum(row.waiting for row in rows),
        "seconds": max((row.seconds for row in rows), default=0.0),
        "types": [row._asdict() for row in rows],
    }


def _commands_as_table(rows: list[Queued] | None) -> Table:
    known = rows is not None
    given = rows or []
    queued = sum(row.commands for row in given) if known else None
    waiting = sum(row.waiting for row in given) if known else None
    oldest = max((row.seconds for row in given), default=0.0) if known else None
    table = Table(title="queued commands", show_footer=True)
    table.add_column("type", "all", overflow="fold")
    table.add_column("queued", _count(queued), justify="right")
    table.add_column("wait for a retry", _count(waiting), justify="right")
    table.add_column("oldest waits", _seconds(oldest), justify="right")
    for row in given:
        # Anybody may insert a type: it is text, not markup.
        kind = Text(printable(row.type))
        table.add_row(kind, str(row.commands), str(row.waiting), _seconds(row.seconds))
    return table


def _count(value: int | None) -> str:
    return UNKNOWN if value is None else str(value)


def _seconds(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.1f} s"
