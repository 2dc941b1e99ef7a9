"""`outbox-worker tail`."""

from __future__ import annotations

import json
import re
import signal
import sys
import threading
from itertools import islice
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console
from rich.text import Text

from outbox_worker import logs, settings
from outbox_worker.cli.options import GROUP, KAFKA, settings_help
from outbox_worker.logs.safe_text import printable

if TYPE_CHECKING:
    from outbox_worker.kafka.subscribe import Event


A_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")


def _topic(_: click.Context, __: click.Parameter, value: str) -> str:
    if not A_TOPIC.fullmatch(value):
        raise click.BadParameter("a topic has 1 to 249 letters, digits, '.', '_' and '-'")
    return value


@click.command("tail", epilog=settings_help((*KAFKA, *GROUP)))
@click.argument("topic", callback=_topic)
@click.option(
    "--from-beginning", is_flag=True, help="all that the topic holds, not only what comes"
)
@click.option(
    "--max", "limit", type=click.IntRange(1, sys.maxsize), help="end after so many events"
)
@click.option("--json", "as_json", is_flag=True, help="print a line of JSON for each event")
def command(topic: str, limit: int | None, *, from_beginning: bool, as_json: bool) -> None:
    """Print the events of TOPIC as they come, as a read_committed subscriber gets them.

    Ends with Ctrl-C or SIGTERM. Commits no offsets.
    """
    from outbox_worker.kafka.subscribe import follow  # noqa: PLC0415  --help needs none of it

    found = settings.load()
    logs.set_up(found.log_level, values=found.log_values == "on")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    console = Console()
    events = follow(found, topic, stop, from_beginning=from_beginning)
    for event in islice(events, limit):
        if as_json:
            click.echo(printable(json.dumps(event.as_json(), ensure_ascii=False)))
        else:
            show(event, console)


def show(event: Event, console: Console) -> None:
    """One event: a line that says what it is, then its payload, without control characters."""
    headers = {name: printable(value) for name, value in event.headers.items()}
    console.print(
        Text.assemble(
            (headers.get("ce_type", "(no CloudEvent)"), "bold cyan"),
            "  key ",
            ("(none)" if event.key is None else printable(event.key), "yellow"),
            f"  {headers.get('ce_time', '')}  {headers.get('ce_id', '')}",
            (f"  {event.topic}[{event.partition}]@{event.offset}", "dim"),
        ),
        soft_wrap=True,
    )
    if event.payload is None and not event.is_json:
        console.print(Text("  (tombstone: no payload)", "dim"))
    elif event.is_json:
        console.print(
            _indented(json.dumps(event.payload, indent=2, ensure_ascii=False)), soft_wrap=True
        )
    else:
        shown = event.payload if isinstance(event.payload, str) else repr(event.payload)
        console.print(_indented(shown), soft_wrap=True)


def _indented(text: str) -> Text:
    """Each line begins with two spaces: no payload looks like the next event."""
    return Text("\n".join(f"  {line}" for line in printable(text, keep="\n\t").split("\n")))
