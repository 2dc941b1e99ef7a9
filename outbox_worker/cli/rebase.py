"""`outbox-worker rebase`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich import progress as bars
from rich.console import Console
from rich.table import Table
from rich.text import Text

from outbox_worker import logs, settings
from outbox_worker.cli.options import DATABASE, GROUP, KAFKA, moment, settings_help
from outbox_worker.logs.safe_text import printable
from outbox_worker.postgres import access, database, migrations, switchover
from outbox_worker.reconcile.topic_scan import SCAN_OPTIONS

if TYPE_CHECKING:
    from datetime import datetime

    from outbox_worker.reconcile.rebase import Plan, ShardPlan


@click.command("rebase", epilog=settings_help((*DATABASE, *KAFKA, *GROUP)))
@click.option("--execute", is_flag=True, help="write the new positions; without it, only the plan")
@click.option(
    "--since",
    metavar="TIMESTAMP",
    callback=moment,
    help="events created before count as published",
)
def command(since: datetime | None, *, execute: bool) -> None:
    """Find out by event id what is published, and set new positions.

    For a database that was failed over with losses, restored, or loaded from a dump, and
    for a group that gets another name (set OUTBOX_GROUP to the new one). Events that are
    in no topic are published again; those that are in one never are. An event that its
    topic has dropped by retention counts as published only where the old positions still
    prove it: otherwise it is repeated rather than lost; --since says otherwise.

    Stop the workers first; one that refused may stay, and continues by itself afterwards.
    Writers may continue. Run it as the owner of the schema outbox, or as a member of
    outbox_operator: it updates events. If it is interrupted, run it again.
    """
    # --help needs none of it
    from outbox_worker.reconcile.rebase import Progress, Rebase  # noqa: PLC0415

    found = settings.load()
    logs.set_up(found.log_level, values=found.log_values == "on")
    url = found.need_database()
    found.need_kafka()
    console = Console()
    with (
        database.connect(url, application="outbox-worker rebase", options=SCAN_OPTIONS) as link,
        bars.Progress(console=Console(stderr=True), transient=True) as bar,
    ):
        access.need(link)
        migrations.check(link)
        task = bar.add_task("reading the topics", total=None)
        progress = Progress(
            lambda total: bar.update(task, total=total), lambda more: bar.advance(task, more)
        )
        rebase = Rebase(found, link, progress)
        if execute:
            switchover.see_that_nobody_replicates(link)
            for each in switchover.catch_up(link):
                console.print(Text(printable(switchover.in_words(each))))
            rebase.execute(since, lambda plan: _show(plan, console))
            done = f"done: group {found.group} has new positions; start its workers"
            console.print(done, markup=False)
        else:
            _show(rebase.plan(since), console)
            console.print("nothing is changed; to do it: outbox-worker rebase --execute")


def _show(plan: Plan, console: Console) -> None:
    shards = plan.shards
    total = [sum(column) for column in zip(*map(_counts, shards.values()), strict=True)]
    table = Table(title="what is published", show_footer=True)
    table.add_column("shard", "all", justify="right")
    for name, count in zip(
        (
            *("found in the topic", "dropped by the topic", "before --since", "to be published"),
            *("parked", "discarded"),
        ),
        total,
        strict=True,
    ):
        table.add_column(name, str(count), justify="right")
    table.add_column("its old position")
    for shard, each in shards.items():
        table.add_row(str(shard), *map(str, _counts(each)), "fails" if each.lost else "stands")
    console.print(table)
    for shard, each in shards.items():
        if each.lost:
            why = f"shard {shard}, its old position fails: {each.lost}"
            console.print(Text(printable(why)), soft_wrap=True)
    if plan.doubtful:
        console.print(
            f"{plan.doubtful} of the events to be published may have been published before: their "
            "topics may have dropped them, and no position proves it any more. They are repeated "
            "rather than lost; --since leaves out older ones:",
            soft_wrap=True,
        )
        for topic, event_id in plan.examples:
            console.print(Text(f"  {event_id} of topic {printable(topic)}"), soft_wrap=True)
        if plan.doubtful > len(plan.examples):
            console.print(f"  ... and {plan.doubtful - len(plan.examples)} more")


def _counts(each: ShardPlan) -> tuple[int, ...]:
    aside = (each.parked, each.discarded)
    return each.found, each.dropped, each.since, each.unpublished, *aside
