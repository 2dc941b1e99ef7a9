"""`outbox-worker verify`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from outbox_worker import logs, settings
from outbox_worker.cli.options import DATABASE, GROUP, KAFKA, settings_help
from outbox_worker.logs.safe_text import printable
from outbox_worker.postgres import access, database, migrations
from outbox_worker.reconcile import verify
from outbox_worker.reconcile.topic_scan import SCAN_OPTIONS

if TYPE_CHECKING:
    from outbox_worker.reconcile.verify import Report

COLUMNS: Final = (
    *("events", "in the\ntopic", "not yet\npublished", "no\nlonger\nin the\ntopic"),
    *("lost", "duplicated", "out of\norder", "not in\nthe\ntable", "written\ntwice"),
    *("parked", "discarded"),
)
ALWAYS: Final = 2
"""Columns that are shown whatever stands in them. Of the others only those that are not all 0:
names of topics need the room."""


@click.command("verify", epilog=settings_help((*DATABASE, *KAFKA, *GROUP)))
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def command(*, as_json: bool) -> int:
    """Compare the table with the topics, read as a subscriber reads them (read_committed).

    Exit code 1 where an event is lost, duplicated or out of order within its key. Events of
    one key whose transactions ran side by side have no order. Safe beside running workers.
    Events that a topic dropped by its retention, and topics that are compacted, are counted
    apart; records without ce_id are not looked at. Events that were written with an event_id
    which their topic had already are the writer's: they are counted, and are no fault here.
    """
    found = settings.load()
    logs.set_up(found.log_level, values=found.log_values == "on")
    url = found.need_database()
    found.need_kafka()
    with (
        database.connect(url, application="outbox-worker verify", options=SCAN_OPTIONS) as link,
        Progress(console=Console(stderr=True), transient=True) as progress,
    ):
        access.need(link)
        migrations.check(link)
        task = progress.add_task("reading the topics", total=None)
        report = verify.run_once(
            found,
            link,
            lambda total: progress.update(task, total=total),
            lambda more: progress.advance(task, more),
        )
    if as_json:
        click.echo(json.dumps(verify.as_json(report)))
    else:
        show(report, Console())
    return 0 if report.is_clean else 1


def show(report: Report, console: Console) -> None:
    """The report as a table for people."""
    table = Table(title="the table against its topics")
    table.add_column("topic", overflow="fold")
    total = report.total
    shown = [n for n, count in enumerate(total[1:]) if n < ALWAYS or count]
    for n in shown:
        table.add_column(COLUMNS[n], justify="right", no_wrap=True)
    for topic in report.topics:
        table.add_row(Text(printable(topic.topic)), *(str(topic[1:][n]) for n in shown))
    table.add_section()
    table.add_row(total.topic, *(str(total[1:][n]) for n in shown))
    console.print(table)
    for name, when in report.made_again.items():
        text = f"topic {name} was made again about {when:%Y-%m-%d %H:%M:%S} UTC: it holds no event "
        text = printable(text)
        console.print(Text(f"{text}that was published before, and none of these counts as lost"))
    if report.without_id:
        console.print(f"{report.without_id} records without ce_id were not looked at")
    if report.total.written_twice:
        console.print(
            f"{report.total.written_twice} events were written with an event_id that an earlier "
            "event of their topic has. Each went out once, as it was written; a subscriber takes "
            "them for repeats. Mend the writer: let the database draw event_id, or give an "
            "idempotency_key"
        )
    if report.total.parked or report.total.discarded:
        console.print(
            f"{report.total.parked} events are parked as dead letters, {report.total.discarded} "
            "were discarded: none of them counts as lost; see outbox-worker dead-letters list"
        )
    console.print("nothing is lost, duplicated or out of order" if report.is_clean else "NOT CLEAN")
