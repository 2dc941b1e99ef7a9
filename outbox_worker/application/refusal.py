"""Why a command is not carried out, as data: a code, a message, details."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, JsonValue

if TYPE_CHECKING:
    from collections.abc import Iterable

VALIDATION_ERROR: Final = "VALIDATION_ERROR"
UNKNOWN_COMMAND_TYPE: Final = "UNKNOWN_COMMAND_TYPE"
INTERNAL_ERROR: Final = "INTERNAL_ERROR"
"""The codes of the engine; all others are the application's."""

MOST_FAULTS: Final = 20
"""Faults that one error names: enough to correct a payload, whatever its size."""


class Refused(BaseModel, frozen=True):
    """Nothing was written. `details` name what it was about, by the names of the fields."""

    code: str
    message: str
    details: dict[str, JsonValue]


class RefusedError(Exception):
    """Raised in a handler to undo what it wrote; the command is then rejected with `refused`."""

    def __init__(self, code: str, message: str, **details: JsonValue) -> None:
        """Refuse with these details."""
        super().__init__(message)
        self.refused = Refused(code=code, message=message, details=details)


def invalid(*faults: tuple[str, str]) -> Refused:
    """A VALIDATION_ERROR: for each fault the path of the field and what is wrong with it."""
    named: list[JsonValue] = [
        {"path": path[:200], "message": message[:500]} for path, message in faults[:MOST_FAULTS]
    ]
    path, message = faults[0]
    return Refused(
        code=VALIDATION_ERROR,
        message=f"{path[:200] or 'payload'}: {message[:500]}",
        details={"errors": named},
    )


def unknown_type(kind: str, known: Iterable[str]) -> Refused:
    """There is no command of this type."""
    names = ", ".join(known)
    return Refused(
        code=UNKNOWN_COMMAND_TYPE,
        message=f"There is no command of this type; there are {names or 'none'}",
        details={"command_type": kind},
    )
