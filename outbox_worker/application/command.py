"""Commands: what all of them have, and from a type and a payload to one of them or an error."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final
from uuid import UUID, uuid4

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import from_json, to_json

from outbox_worker.application.refusal import Refused, invalid

STOPPED: Final = re.compile(r" at line (\d+) column (\d+)$")
"""Where the reader says that it stopped, in bytes."""

TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]:,]')
"""What tells which field a place in JSON belongs to."""


def _without_control_characters(text: str) -> str:
    """The text as it is; `ValueError`: Postgres keeps no NUL, no name has a line break in it."""
    if any(unicodedata.category(each) == "Cc" for each in text):
        message = "may not hold control characters"
        raise ValueError(message)
    return text


PlainText: Final = AfterValidator(_without_control_characters)
"""For a field of text: no control characters."""

Actor = Annotated[str, StringConstraints(min_length=1, max_length=255), PlainText]
"""Who asks for a command."""


class Command(BaseModel, frozen=True, extra="forbid"):
    """Who asks for it, under which id; a field that may be left out may not be null instead.

    The type of a command is the name of its model. In the inbox the payload holds the fields of
    the command; actor, command_id and correlation_id are columns. A field that is named in
    `NULLABLE` may be null.
    """

    NULLABLE: ClassVar[frozenset[str]] = frozenset({"correlation_id"})

    actor: Actor
    command_id: UUID = Field(default_factory=uuid4)
    correlation_id: UUID | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _given_is_not_null(cls, value: object, info: ValidationInfo) -> object:
        if value is None and info.field_name not in cls.NULLABLE:
            message = "may not be null; leave it out"
            raise ValueError(message)
        return value


ENVELOPE: Final = frozenset(Command.model_fields)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What stands beside the payload."""

    command_id: UUID
    actor: str
    correlation_id: UUID | None = None


def parse(model: type[Command], payload: str | bytes, envelope: Envelope) -> Command | Refused:
    """The command, or each field that is wrong.

    `payload` is JSON, read strictly: a number in quotes is no number. Never raises.
    """
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
