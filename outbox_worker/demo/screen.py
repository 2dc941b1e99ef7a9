"""The demonstration on a terminal: lines and tables."""

from __future__ import annotations

import re
import shlex
import sys
from typing import TYPE_CHECKING, Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from outbox_worker.demo.verdict import Verdict
    from outbox_worker.kafka.subscribe import Event
    from outbox_worker.stores.demo import Outcome

FILE_COLUMNS: Final = 130
"""How wide the tables are where the output is no terminal."""

ID: Final = re.compile(r"\b([0-9a-f]{8})(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")

FIRST: Final = ("status", "created")
"""Fields of a result that are shown first; jsonb keeps no order."""


class Screen:
    """The terminal."""

    def __init__(self) -> None:
        """Write to standard output."""
        width = None if sys.stdout.isatty() else FILE_COLUMNS
        self._console = Console(highlight=False, width=width)

    def chapter(self, text: str) -> None:
        """Begin a new part."""
        self._console.print(f"[bold]{escape(text)}[/]", soft_wrap=True)

    def say(self, text: str) -> None:
        """What happens next."""
        self._console.print(f"[bold cyan]·[/] {escape(text)}", soft_wrap=True)

    def show_outcomes(self, asked: Sequence[tuple[str, Outcome]]) -> None:
        """What came of commands, as the service reads it."""
        self.show(
            "Rows of outbox.command, as the service reads them (ids are cut short)",
            ("command", "status", "result, or error"),
            [(what, outcome.status, _result(outcome)) for what, outcome in asked],
        )

    def show_settings(self, settings: Mapping[str, str]) -> None:
        """What leads to the servers, for another terminal; they run until this one is ended."""
        self.chapter("The servers run until Ctrl-C. In another terminal:")
        for name, value in settings.items():
            self._console.print(f"export {name}={shlex.quote(value)}", soft_wrap=True, markup=False)
        sys.stdout.flush()

    def show_events(self, verdict: Verdict, fields: Mapping[str, Sequence[str]]) -> None:
        """The tables of the story, with these fields of a payload by type."""
        for table in verdict.story.tables:
            rows = []
            for event in (each for pick in table.picks for each in verdict.of(pick)):
                kind = event.headers.get("ce_type", "")
                time = event.headers.get("ce_time", "")[11:23]
                rows.append((time, kind, _payload(fields.get(kind, ()), event)))
            self.show(table.title, ("ce_time", "type", "from its payload"), rows)

    def show(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table; what is too long is folded, ids are cut short."""
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold", no_wrap=column != columns[-1])
        for row in rows:
            table.add_row(*(escape(_short(each)) for each in row))
        self._console.print(f"  [italic]{escape(title)}[/]", soft_wrap=True)
        self._console.print(Padding(table, (0, 0, 0, 2), expand=False))
        self._console.print()

    def show_verdict(self, verdict: Verdict, *, is_mock: bool) -> None:
        """The summary."""
        total, commands = verdict.report.total, verdict.commands
        if verdict.story.commands:
            self._console.print(
                f"commands submitted {sum(commands.values())}  "
                f"succeeded {commands.get('succeeded', 0)}  "
                f"rejected {commands.get('rejected', 0)}  "
                f"rolled back {len(verdict.story.rolled_back)} "
                f"({verdict.came_out} of them came out)",
                soft_wrap=True,
            )
        self._console.print(
            f"written {total.events}  published {total.found}  lost {total.lost}  "
            f"duplicated {total.duplicated}  out of order {total.out_of_order}",
            style="bold green" if verdict.is_right else "bold red",
            soft_wrap=True,
        )
        if is_mock:
            self.say("This was a mock cluster: the flow was shown, the guarantee was not")


def _result(outcome: Outcome) -> str:
    if outcome.error is None:
        result = outcome.result or {}
        # Of a batch's commands each names the batch; it is the same in all rows.
        first = [name for name in FIRST if name in result]
        return _pairs({name: result[name] for name in (*first, *result) if name != "batch_id"})
    error = outcome.error
    return f"{error['code']}: {error['message']} ({_pairs(error['details'])})"


def _payload(fields: Sequence[str], event: Event) -> str:
    payload = event.payload if isinstance(event.payload, dict) else {}
    return _pairs({name: payload.get(name) for name in fields})


def _pairs(fields: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in fields.items())


def _value(value: object) -> str:
    """For people: ids cut short, of many things how many, of a part what is in it."""
    match value:
        case {"code": code}:
            return str(code)
        case dict():
            return f"({_pairs(value)})"
        case [dict(), *_]:
            return str(len(value))
        case list():
            return " ".join(map(_value, value)) or "none"
        case bool():
            return "yes" if value else "no"
        case _:
            return _short(value)


def _short(text: object) -> str:
    return ID.sub(r"\1…", str(text))
