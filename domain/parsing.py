"""From a type and a payload as they came to a command, or to the error that says why not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from domain import commands
from domain.results import ErrorCode, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from pydantic import JsonValue

    from domain.commands import AnyCommand

COMMANDS: Final[Mapping[str, type[AnyCommand]]] = {
    model.__name__: model
    for model in (
        commands.CreateClass,
        commands.UpdateClass,
        commands.DeleteClass,
        commands.CreateStudent,
        commands.UpdateStudent,
        commands.DeleteStudent,
        commands.RegisterBatch,
        commands.ProvisionContent,
        commands.RecordValidationFailure,
        commands.SuggestAssociations,
        commands.ConfirmAssociations,
    )
}
"""By type, the model of the command."""

ENVELOPE: Final = frozenset(commands.Command.model_fields)
STOPPED: Final = re.compile(r" at line (\d+) column (\d+)$")
"""Where the reader says that it stopped, in bytes."""

TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]:,]')
"""What tells which field a place in JSON belongs to."""

MOST_FAULTS: Final = 20
"""Faults that one error names: enough to mend a payload, whatever its size."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What stands beside the payload."""

    command_id: UUID
    actor: str
    correlation_id: UUID | None = None


def parse(kind: str, payload: str | bytes, envelope: Envelope) -> AnyCommand | Refused:
    """The command, or why there is none: an unknown type, or each field that is wrong.

    `payload` is JSON, read strictly: a number in quotes is no number. Never raises.
    """
    model = COMMANDS.get(kind)
    if model is None:
        return Refused(
            code=ErrorCode.UNKNOWN_COMMAND_TYPE,
            message=f"There is no command of this type; there are {', '.join(COMMANDS)}",
            details={"command_type": kind},
        )
    # Half a surrogate pair has no place in UTF-8: it passes here and is refused by the reader.
    encoded = payload.encode("utf-8", "surrogatepass") if isinstance(payload, str) else payload
    try:
        fields = from_json(encoded)
    except ValueError as error:
        return invalid((_field_of(encoded, str(error)), f"cannot be read: {error}"))
    if not isinstance(fields, dict):
        return invalid(("", "the payload is a JSON object"))
    if smuggled := sorted(ENVELOPE & fields.keys()):
        return invalid(*((name, "stands beside the payload, not in it") for name in smuggled))
    try:
        return model.model_validate_json(_whole(fields, envelope), strict=True)
    except ValidationError as error:
        return refused(error)


def _whole(fields: dict[str, object], envelope: Envelope) -> bytes:
    """Payload and envelope as one JSON object: only from JSON are ids strings in strict mode."""
    beside = {
        "command_id": envelope.command_id,
        # In Python a string may hold half a surrogate pair, in JSON it may not.
        "actor": envelope.actor.encode("utf-8", "replace").decode(),
        "correlation_id": envelope.correlation_id,
    }
    return to_json(fields | beside, inf_nan_mode="constants")


def _field_of(payload: bytes, fault: str) -> str:
    """The field of the object in which the reader stopped; empty where it is in none."""
    place = STOPPED.search(fault)
    if place is None:
        return ""
    line, column = int(place[1]), int(place[2])
    lines = payload.split(b"\n")[:line]
    before = b"\n".join([*lines[:-1], lines[-1][:column]])
    depth, name, last = 0, b"", b""
    for token in TOKEN.findall(before):
        match token:
            case b"{" | b"[":
                depth += 1
            case b"}" | b"]":
                depth -= 1
            case b":" if depth == 1:
                name = last
            case b"," if depth == 1:
                name = b""
            case _:
                last = token
    return name.strip(b'"').decode("utf-8", "replace")


def refused(error: ValidationError) -> Refused:
    """What pydantic found, as the error of a command: paths and messages, never the input."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    faults = (
        (".".join(map(str, each["loc"])), each["msg"].removeprefix("Value error, "))
        for each in found
    )
    return invalid(*faults)


def invalid(*faults: tuple[str, str]) -> Refused:
    """A VALIDATION_ERROR: for each fault the path of the field and what is wrong with it."""
    named: list[JsonValue] = [
        {"path": path[:200], "message": message[:500]} for path, message in faults[:MOST_FAULTS]
    ]
    path, message = faults[0]
    return Refused(
        code=ErrorCode.VALIDATION_ERROR,
        message=f"{path[:200] or 'payload'}: {message[:500]}",
        details={"errors": named},
    )
