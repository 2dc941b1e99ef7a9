"""`outbox-worker dead-letters list` and `show`."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Final

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from outbox_worker.cli.dead_letters.session import EPILOG, session
from outbox_worker.dead_letters.mending import hint_of
from outbox_worker.dead_letters.selection import LIST, as_command
from outbox_worker.errors import WorkFailedError
from outbox_worker.logs.safe_text import printable
from outbox_worker.stores import ledger
from outbox_worker.stores.ledger import DECIDED, OPEN, Asked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from outbox_worker.stores.ledger import (
        Letter,
        LetterSequence,
        Order,
        Standing,
        StoredEvent,
    )

MOST: Final = 100
STATES: Final[Mapping[str, Sequence[str]]] = {
    "open": OPEN,
    **{state: (state,) for state in (*OPEN, *DECIDED)},
    "all": (*OPEN, *DECIDED),
}
MOST_REASONS: Final = 5
WIDEST: Final = 1_000
"""Characters of a line of a table: room for the longest topic and key, so that none is cut."""

LETTERS: Final = 1_000
"""Events of one id that are looked for: writers may have given it to several."""


@click.command("list", epilog=EPILOG, short_help="List them, by sequence or by event.")
@click.option("--topic", metavar="TOPIC", help="only of this topic")
@click.option("--key", metavar="KEY", help="only of this key")
@click.option(
    "--state",
    type=click.Choice(list(STATES)),
    default="open",
    show_default=True,
    help="only in this state; open is parked or redriving",
)
@click.option("--events", is_flag=True, help="a line for each event, and not for each sequence")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=MOST,
    show_default=True,
    help="at most so many lines",
)
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def list_(
    topic: str | None, key: str | None, state: str, limit: int, *, events: bool, as_json: bool
) -> None:
    """List dead letters, by sequence (the events of a topic and a key) or by event."""
    asked, states = Asked(topic, key), STATES[state]
    with session() as link:
        standing = ledger.list_standing(link)
        if events:
            letters, total = ledger.list_letters(link, states, asked, limit)
            shown = _Shown("events", [_letter_as_json(each) for each in letters], total)
            table = _letters_as_table(letters)
        else:
            sequences, total = ledger.list_sequences(link, states, asked, limit)
            shown = _Shown("sequences", [each._asdict() for each in sequences], total)
            table = _sequences_as_table(sequences)
    if as_json:
        topics = [_standing_as_json(each) for each in standing]
        click.echo(json.dumps({"total": total, shown.kind: shown.rows, "topics_parked": topics}))
        return
    console = Console()
    if total:
        Console(width=WIDEST).print(table)
    for line in (*_reasons(shown.rows), _summary(shown, state)):
        console.print(Text(line), soft_wrap=True)
    for each in standing:
        console.print(Text(standing_in_words(each)), soft_wrap=True)


@dataclass(frozen=True, slots=True)
class _Shown:
    kind: str
    rows: Sequence[Mapping[str, object]]
    total: int


def _reasons(rows: Sequence[Mapping[str, object]]) -> Iterator[str]:
    """What the codes of a table stand for; the commonest reasons, as far as there are several."""
    found = Counter((str(row["code"]), str(row["reason"])) for row in rows)
    for (code, reason), _ in found.most_common(MOST_REASONS):
        yield printable(reason if reason.startswith(code) else f"{code}: {reason}")
    if len(found) > MOST_REASONS:
        yield f"and {len(found) - MOST_REASONS} more reasons: see `dead-letters show EVENT_ID`"


def _summary(shown: _Shown, state: str) -> str:
    if not shown.total:
        return "no dead letters" if state == "all" else f"no dead letters that are {state}"
    more = shown.total - len(shown.rows)
    hidden = f"; {more} more are not shown (--limit)" if more else ""
    return f"{shown.total} {shown.kind}{hidden}"


def standing_in_words(each: Standing) -> str:
    """A topic that is parked as a whole."""
    return printable(
        f"topic {each.topic} is parked as a whole since {_at(each.ordered_at)} by "
        f"{each.ordered_by}: its events leave the way as they come, until somebody redrives or "
        f"discards the topic"
    )


def _sequences_as_table(sequences: Sequence[LetterSequence]) -> Table:
    table = _table("topic", "key", "events", "first event", "parked for", "code")
    for each in sequences:
        redriving = f" ({each.redriving} redriving)" if each.redriving else ""
        cells = (
            *(each.topic, _key(each.key), f"{each.events}{redriving}", each.event_id),
            *(_duration(each.seconds), each.code),
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table


def _letters_as_table(letters: Sequence[Letter]) -> Table:
    table = _table("event", "topic", "key", "state", "parked at", "code")
    for each in letters:
        cells = (
            *(each.event_id, each.topic, _key(each.key), each.state),
            *(_at(each.parked_at), each.code),
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table


def _table(*columns: str) -> Table:
    """One whose rows are lines, however narrow the terminal is: ids are copied, lines searched."""
    return Table(*(Column(each, no_wrap=True) for each in columns), box=SIMPLE_HEAD, pad_edge=False)


def _key(key: str | None) -> str:
    return "(none)" if key is None else key


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:,.0f} s"


def _letter_as_json(each: Letter) -> dict[str, object]:
    times = {"parked_at": each.parked_at, "decided_at": each.decided_at}
    return {**each._asdict(), **{name: at and at.isoformat() for name, at in times.items()}}


def _standing_as_json(each: Standing) -> dict[str, object]:
    return {**each._asdict(), "ordered_at": each.ordered_at.isoformat()}


def _order_as_json(each: Order) -> dict[str, object]:
    times = {"ordered_at": each.ordered_at, "ended_at": each.ended_at}
    return {**each._asdict(), **{name: at and at.isoformat() for name, at in times.items()}}


@click.command("show", epilog=EPILOG, short_help="Show why one is here, and what mends it.")
@click.argument("event_id", metavar="EVENT_ID", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def show(event_id: UUID, *, as_json: bool) -> None:
    """Show all that is known of a dead letter: why, since when, what people did, what mends it."""
    with session() as link:
        states = STATES["all"]
        letters, _ = ledger.list_letters(link, states, Asked(event_id=str(event_id)), LETTERS)
        found = [
            _Known(each, ledger.find_event(link, each.id), ledger.list_orders_of_letter(link, each))
            for each in letters
        ]
    if not found:
        raise WorkFailedError(f"Event {event_id} was never parked", LIST)
    if as_json:
        click.echo(json.dumps([each.as_json() for each in found]))
        return
    for each in found:
        click.echo("\n".join(each.lines()))


@dataclass(frozen=True, slots=True)
class _Known:
    """A dead letter, its event if that is still in the table, and what people asked for."""

    letter: Letter
    event: StoredEvent | None
    orders: Sequence[Order]

    def as_json(self) -> dict[str, object]:
        event = self.event and {
            **self.event._asdict(),
            "created_at": self.event.created_at.isoformat(),
        }
        orders = [_order_as_json(each) for each in self.orders]
        return {**_letter_as_json(self.letter), "event": event, "orders": orders}

    def lines(self) -> Iterator[str]:
        letter = self.letter
        yield f"event       {letter.event_id} (id {letter.id}, shard {letter.shard})"
        yield f"topic       {printable(letter.topic)}"
        yield f"key         {printable(_key(letter.key))}"
        yield f"type        {printable(letter.type)}"
        yield from self._event_lines()
        yield f"state       {letter.state}{self._decided()}"
        yield f"parked      {_at(letter.parked_at)} by {printable(letter.parked_by)}"
        code = "" if letter.reason.startswith(letter.code) else f" ({letter.code})"
        yield f"reason      {printable(letter.reason + code)}"
        if letter.behind:
            yield f"behind      event {letter.behind}, which is the first of its key"
        yield f"redrives    {letter.attempts - (letter.state == 'redriven')} refused"
        for each in self.orders:
            yield f"history     {printable(_in_words(each))}"
        if letter.state in OPEN:
            yield f"to mend it  {printable(hint_of(letter, self.event))}"
            given = Asked(event_id=letter.event_id)
            yield f"then        {printable(as_command('redrive', given, '--execute'))}"
            yield f"or          {printable(as_command('discard', given, '--execute'))}"

    def _event_lines(self) -> Iterator[str]:
        event = self.event
        if event is None:
            yield "payload     the event is no longer in the table"
            return
        size = "none (a tombstone)" if event.bytes is None else f"{event.bytes:,} bytes"
        yield f"payload     {size}, {printable(event.content_type)}"
        yield f"written     {_at(event.created_at)} by {printable(event.writer or '?')}"
        if self.letter.state in OPEN and self.letter.key is not None:
            counts = f"{event.before} parked events of its key before it, {event.behind} behind it"
            yield f"sequence    {counts}"

    def _decided(self) -> str:
        letter = self.letter
        to = f" to topic {printable(letter.to_topic)}" if letter.to_topic else ""
        if letter.decided_at is None:
            return to
        who = printable(letter.decided_by or "?")
        return f"{to} ({_at(letter.decided_at)} by {who})"


def _at(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _in_words(order: Order) -> str:
    """An order, as a line of the history."""
    to = f" to topic {order.to_topic}" if order.to_topic else ""
    rate = f" at {order.rate:g} a second" if order.rate else ""
    outcome = f": {order.outcome}" if order.outcome else ""
    return (
        f"{_at(order.ordered_at)} {order.action}{to}{rate} by {order.ordered_by}, "
        f"{order.state}, {order.events} events{outcome}"
    )
