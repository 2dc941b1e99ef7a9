"""What others wrote stands in logs and on terminals without its values and control characters."""

from __future__ import annotations

import io
import json
import re
import sys
from typing import TYPE_CHECKING, Final

import psycopg
import pytest
import structlog
from rich.console import Console
from typing_extensions import override

from outbox_worker import logs
from outbox_worker.cli import status, tail
from outbox_worker.errors import SettingsError
from outbox_worker.kafka.subscribe import Event
from outbox_worker.logs import safe_text
from outbox_worker.logs.safe_text import HIDDEN, describe, printable
from outbox_worker.stores.command import Queued

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET: Final = "alice@school.example"
CONTROL: Final = "a\x1b[2Kb\x07\x7f\x9bc\u202ed\re"
"""Harmless: a line that is emptied, a bell, and characters that a terminal takes for orders."""
COLOUR: Final = re.compile(r"\x1b\[\d+m")
"""Those of the log itself."""
RAW: Final = frozenset("\x1b\x07\x7f\x9b\u202e\r")

SAYS_VALUES: Final = """DO $$ BEGIN
    CREATE TEMP TABLE held (mail text PRIMARY KEY);
    INSERT INTO held VALUES ('alice@school.example'), ('alice@school.example');
END $$"""


class Terminal(io.StringIO):
    """A standard error at which a person sits, or not."""

    def __init__(self, *, people: bool) -> None:
        super().__init__()
        self._people = people

    @override
    def isatty(self) -> bool:
        return self._people


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)
    safe_text.show_values(shown=False)


@pytest.fixture(params=[True, False], ids=["terminal", "json"])
def logged(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """All that one error line writes, for people and for machines."""

    def write(*, values: bool = False, **line: object) -> str:
        terminal = Terminal(people=request.param)
        monkeypatch.setattr(sys, "stderr", terminal)
        logs.set_up("info", values=values)
        structlog.get_logger("test").error("command_failed", **line)
        return terminal.getvalue()

    return write


def failed() -> Exception:
    """An error whose message and whose variables hold a value."""
    payload = {"mail": SECRET}
    try:
        try:
            raise ValueError(payload["mail"])  # noqa: TRY301  the frame has the variable
        except ValueError as error:
            error.add_note(SECRET)
            raise RuntimeError(f"no place for {payload}") from error
    except RuntimeError as error:
        return error


def test_a_traceback_in_the_log_holds_no_value(logged: Callable[..., str]) -> None:
    text = logged(exc_info=failed())
    assert SECRET not in text
    assert "RuntimeError" in text
    assert "ValueError" in text
    assert __file__ in text.replace("\\\\", "\\")
    assert "OUTBOX_LOG_VALUES=on" in text


def test_values_are_shown_where_it_is_asked_for(logged: Callable[..., str]) -> None:
    assert SECRET in logged(values=True, exc_info=failed())


def test_no_variable_is_shown_even_then(logged: Callable[..., str]) -> None:
    hidden = "a password of a variable"
    try:
        raise RuntimeError("it failed")  # noqa: TRY301  a frame with a variable is needed
    except RuntimeError as error:
        text = logged(values=True, exc_info=error)
    assert "it failed" in text
    assert hidden not in text


def test_errors_of_a_group_hold_none_either(logged: Callable[..., str]) -> None:
    text = logged(exc_info=ExceptionGroup(SECRET, [failed(), SettingsError("not set", "set it")]))
    assert SECRET not in text
    assert "not set. set it" in text


@pytest.mark.parametrize("field", ["type", "key"])
def test_a_line_holds_no_control_character(logged: Callable[..., str], field: str) -> None:
    assert logged(**{field: "plain"}).count("\n") == 1
    text = logged(**{field: CONTROL, "all": [CONTROL, {CONTROL: (CONTROL,)}]})
    assert not set(COLOUR.sub("", text)) & RAW
    assert text.count("\n") == 1
    assert "a\\u001b[2Kb" in text.replace("\\\\", "\\")


def test_an_escaped_line_of_json_says_what_it_said() -> None:
    line = json.dumps({"payload": f"{CONTROL}\u2028\udc80"}, ensure_ascii=False)
    escaped = printable(line)
    assert not set(escaped) & {*RAW, "\u2028", "\udc80"}
    assert json.loads(escaped) == json.loads(line)


def test_what_is_written_in_other_scripts_stays() -> None:
    text = "Ångström 数学 می‌خواهم 👩‍🏫 \t"
    assert printable(text, keep="\t") == text


def test_our_own_words_stay() -> None:
    assert describe(SettingsError("the group\nis taken", "set it")) == "the group is taken. set it"
    assert describe(FileNotFoundError(2, "No such file", "a.pem")).endswith("'a.pem'")
    assert describe(KeyError(SECRET)) == HIDDEN


@pytest.mark.parametrize(
    ("statement", "kept"),
    [
        (SAYS_VALUES, 'duplicate key value violates unique constraint "held_pkey"'),
        (f"SELECT '{SECRET}'::integer", "invalid input syntax for type integer: …"),
        (f"SELECT '{{\"{SECRET}'::jsonb", "invalid input syntax for type json"),
        (f"DO $$ BEGIN RAISE 'refused: \"%\"', '{SECRET}'; END $$", "refused: …"),
        (
            f"DO $$ BEGIN RAISE 'no: ''%''', '{SECRET}' USING ERRCODE = 'ZZ001'; END $$",
            "no: …",
        ),
        ("SELECT nothing", 'column "nothing" does not exist'),
    ],
)
def test_of_what_postgres_says_the_message_stays_and_values_go(
    migrated_database_url: str, statement: str, kept: str
) -> None:
    with psycopg.connect(migrated_database_url) as link, pytest.raises(psycopg.Error) as raised:
        link.execute(statement.encode())
    assert describe(raised.value) == kept
    safe_text.show_values(shown=True)
    assert SECRET in describe(raised.value) or SECRET not in statement


def shown(event: Event) -> str:
    """What `tail` prints of it."""
    out = io.StringIO()
    tail.show(event, Console(file=out, width=200))
    return out.getvalue()


@pytest.mark.parametrize("payload", [CONTROL, {CONTROL: [CONTROL]}, CONTROL.encode()])
def test_tail_prints_no_control_character(payload: object) -> None:
    headers = {"ce_type": CONTROL, "ce_time": CONTROL, "ce_id": CONTROL}
    is_json = isinstance(payload, dict)
    text = shown(Event("orders", 0, 7, f"[red]{CONTROL}", headers, payload, is_json))
    assert not set(text) & RAW
    assert "key [red]a\\u001b[2Kb" in text


def test_no_payload_looks_like_the_next_event_of_tail() -> None:
    text = shown(Event("orders", 0, 7, "key", {}, "one\norder.paid  key k\x0bx\x85y", False))
    assert text.splitlines()[1:] == ["  one", "  order.paid  key k\\u000bx\\u0085y"]


def test_status_prints_no_control_character() -> None:
    out = io.StringIO()
    queued = Queued(type=f"[red]{CONTROL}", commands=1, waiting=0, seconds=1.0)
    Console(file=out, width=200).print(status._commands_as_table([queued]))
    assert not set(out.getvalue()) & RAW
    assert "[red]a\\u001b[2Kb" in out.getvalue()
