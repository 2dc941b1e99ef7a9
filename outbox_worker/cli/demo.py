"""`outbox-worker demo`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console
from rich.table import Table

from outbox_worker import logs

if TYPE_CHECKING:
    from outbox_worker.demo import Place, Writers
    from outbox_worker.tail import Event
    from outbox_worker.verify import Report

SHOWN_EVENTS: Final = 5
"""Of the first and of the last events of the order that is shown."""

KILL_AFTER_S: Final = 15.0


@click.command("demo")
def command() -> int:
    """Start Postgres, Kafka and a worker, write events, show what a subscriber gets.

    Needs nothing but `pip install 'outbox-worker[demo]'` and, for a real broker, Java 17 with
    Maven, or Docker, or an address in OUTBOX_LOCAL_KAFKA. Takes about half a minute and
    leaves nothing behind. Exit code 1 where an event is lost, duplicated or out of order.
    """
    from outbox_worker import demo  # noqa: PLC0415  --help needs none of it

    logs.set_up("error")
    console = Console(highlight=False, soft_wrap=True)

    def say(text: str) -> None:
        console.print(f"[bold cyan]·[/] {text}")

    console.print("[bold]outbox-worker: from a transaction in Postgres to a Kafka subscriber[/]")
    with demo.open_place(say) as place:
        writers = demo.Writers(place)
        _play(place, writers, console)
        events = demo.read_events(place)
        report = demo.judge(place)
    _show_events(events, console)
    return _show_summary(writers, report, console, is_mock=place.mock is not None)


def _play(place: Place, writers: Writers, console: Console) -> None:
    """Workers and writers; the first worker dies where the broker can stand that."""
    from outbox_worker import demo  # noqa: PLC0415  --help needs none of it

    def say(text: str) -> None:
        console.print(f"[bold cyan]·[/] {text}")

    with demo.start_worker(place) as first:
        say(f"Worker {first.pid} runs: Kafka gave it the shards of the table")
        say(
            f"A service writes: {demo.WRITERS} threads, {demo.WRITERS * demo.CHANGES} transactions "
            f"on {demo.ORDERS} orders; each changes an order and publishes an event, or rolls back"
        )
        with writers.run() as halfway:
            halfway.wait(KILL_AFTER_S)
            if place.mock is None:
                first.kill()
                say(
                    f"In the middle of it worker {first.pid} is killed (SIGKILL); Kafka misses "
                    "it after 6 s and gives its shards to another"
                )
        say("One event more with an idempotency key, published twice; and a tombstone")
        demo.write_specials(place)
        if place.mock is not None:
            demo.await_published(place)
            first.stop()
            return
    with demo.start_worker(place) as second:
        say(f"Worker {second.pid} takes over, from the position in the last Kafka transaction")
        demo.await_published(place)
        second.stop()


def _show_events(events: list[Event], console: Console) -> None:
    """The first and the last events of one order."""
    table = Table(title="what a subscriber got for order-1, in this order", title_justify="left")
    for column in ("time", "type", "payload"):
        table.add_column(column)
    for number, event in enumerate(events):
        if number == SHOWN_EVENTS < len(events) - SHOWN_EVENTS:
            table.add_row("", f"... {len(events) - 2 * SHOWN_EVENTS} more ...", "")
        if number < SHOWN_EVENTS or number >= len(events) - SHOWN_EVENTS:
            time = event.headers.get("ce_time", "")[11:23]
            table.add_row(time, event.headers.get("ce_type", ""), _payload(event))
    console.print(table)


def _payload(event: Event) -> str:
    return "(tombstone)" if event.payload is None else json.dumps(event.payload)


def _show_summary(writers: Writers, report: Report, console: Console, *, is_mock: bool) -> int:
    """The verdict; the exit code."""
    total = report.total
    # A rolled-back event that got out would be a record that is not in the table.
    is_right = (
        report.is_clean
        and total.found == total.events == writers.committed + len(("paid", "deleted"))
        and not total.strangers
    )
    console.print(
        f"written {total.events}  published {total.found}  lost {total.lost}  "
        f"duplicated {total.duplicated}  out of order {total.out_of_order}",
        style="bold green" if is_right else "bold red",
    )
    console.print(
        f"({writers.rolled_back} transactions rolled back: {total.strangers} of their events "
        "came out)"
    )
    if is_mock:
        console.print("This was a mock cluster: the flow was shown, the guarantee was not")
    return 0 if is_right else 1
