"""Text that others wrote, as it may stand in a log or on a terminal.

A writer chooses keys, types and payloads: they may hold what moves a terminal's cursor, and
what is nobody's business in a log. Control characters are always escaped. The values of rows
are left out of what an error says, unless `show_values` was called (`OUTBOX_LOG_VALUES=on`).
"""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg
from confluent_kafka import KafkaException

from outbox_worker.errors import OutboxError

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTROL: Final = re.compile(
    # C0, DEL and C1; what changes the direction of text or ends a line; half surrogate pairs.
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)

OUR_WORDS: Final = (OutboxError, KafkaException, OSError, UnicodeError)
"""Errors whose message holds no value of a row: ours, and those of servers and of the system."""

OF_VALUES: Final = (psycopg.DataError, psycopg.errors.RaiseException)
"""Errors of Postgres whose message quotes a value, or was written by a function's author."""

MORE: Final = re.compile(r"\s(?:DETAIL|CONTEXT|QUERY|LINE \d+):.*", re.DOTALL)

HIDDEN: Final = "(hidden; OUTBOX_LOG_VALUES=on shows it)"


@dataclass(slots=True)
class _Choice:
    shows_values: bool = False


_choice: Final = _Choice()


def show_values(*, shown: bool) -> None:
    """Whether messages of errors are given in full from now on, in this whole process."""
    _choice.shows_values = shown


def printable(text: str, keep: str = "") -> str:
    r"""The text with each control character as \uXXXX, but for those in `keep`.

    Inside a string of JSON that stands for the same character.
    """
    return CONTROL.sub(lambda found: _escaped(found[0], keep), text)


def _escaped(character: str, keep: str) -> str:
    return character if character in keep else f"\\u{ord(character):04x}"


def printable_in(value: Any) -> Any:  # noqa: ANN401  whatever a line of the log holds
    """The same of every string in a value of dicts and sequences."""
    match value:
        case str():
            return printable(value)
        case dict():
            return {printable_in(key): printable_in(each) for key, each in value.items()}
        case list() | tuple():
            return [printable_in(each) for each in value]
        case _:
            return value


def describe(error: BaseException) -> str:
    """What an error says, on one line: without DETAIL, CONTEXT and values of rows.

    Of an error that is neither ours nor a server's the message may hold anything: it is hidden.
    """
    whole = " ".join(str(error).split())
    if _choice.shows_values:
        return printable(whole)
    if isinstance(error, psycopg.Error):
        return printable(_of_postgres(error, whole))
    return printable(whole) if isinstance(error, OUR_WORDS) else HIDDEN


def _of_postgres(error: psycopg.Error, whole: str) -> str:
    words = MORE.sub("", " ".join((error.diag.message_primary or whole).split()))
    # A SQLSTATE that psycopg does not know is one that the author of a function made up.
    if isinstance(error, OF_VALUES) or (error.sqlstate and type(error) is psycopg.DatabaseError):
        return re.sub(r"[\"'].*", "…", words)
    return words


def trace(error: BaseException) -> list[dict[str, Any]]:
    """An error and those that led to it: types, what `describe` says of each, places in the code.

    No values of variables: among them are payloads and a password.
    """
    return _trace(error, set())


def _trace(error: BaseException | None, seen: set[int]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    is_cause = False
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        frames = traceback.extract_tb(error.__traceback__)
        found.append(
            {
                "exc_type": type(error).__name__,
                "exc_value": describe(error),
                "is_cause": is_cause,
                "frames": [
                    {"filename": each.filename, "lineno": each.lineno, "name": each.name}
                    for each in frames
                ],
                "exceptions": [
                    _trace(each, seen)
                    for each in (error.exceptions if isinstance(error, BaseExceptionGroup) else ())
                ],
            }
        )
        is_cause = error.__cause__ is not None
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def as_text(found: list[Mapping[str, Any]] | list[dict[str, Any]]) -> str:
    """A trace for people, the first error last, as Python writes it."""
    parts = []
    for each in reversed(found):
        frames = [
            f'  File "{frame["filename"]}", line {frame["lineno"]}, in {frame["name"]}\n'
            for frame in each["frames"]
        ]
        within = "".join(f"  | {as_text(inner)}\n" for inner in each["exceptions"])
        parts.append(f"{''.join(frames)}{each['exc_type']}: {each['exc_value']}\n{within}")
    return "\n".join(parts).rstrip("\n")
