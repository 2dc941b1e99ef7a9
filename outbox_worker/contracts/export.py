"""Writes the contracts, and refuses where a version would say less than it did."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import override

from outbox_worker.contracts.topics import asyncapi, moved
from outbox_worker.contracts.widening import narrowings
from outbox_worker.errors import WorkFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core.core_schema import WithDefaultSchema

    from outbox_worker.application import Application, Event
    from outbox_worker.contracts.widening import Schema

TOPICS: Final = "asyncapi.json"


class NarrowedError(WorkFailedError):
    """What was promised to readers would no longer hold; says what, and what to do."""

    def __init__(self, broken: list[str]) -> None:
        """Name every promise that would be broken."""
        lines = "".join(f"\n  {each}" for each in broken)
        super().__init__(
            f"Readers rely on what these would take away:{lines}",
            "Leave the version as it is, and make another event type (.v2) beside it",
        )


class _Generator(GenerateJsonSchema):
    """No titles that repeat the names of fields, and no defaults: what is absent is not null."""

    @override
    def field_title_should_be_set(self, schema: object) -> bool:
        return False

    @override
    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def schema_of(model: type[Event]) -> Schema:
    """What may be said of every event of this type, as a JSON Schema (draft 2020-12)."""
    made = model.model_json_schema(mode="serialization", schema_generator=_Generator)
    fields = made["properties"]
    for name in fields.keys() - set(made["required"]) - model.NULLABLE:
        fields[name] = _without_null(fields[name])
    return {"$schema": GenerateJsonSchema.schema_dialect, **made, "title": model.TYPE}


def _without_null(field: Schema) -> Schema:
    (only,) = (each for each in field["anyOf"] if each != {"type": "null"})
    return {**{name: value for name, value in field.items() if name != "anyOf"}, **only}


def contracts(application: Application) -> dict[str, Schema]:
    """The contracts of the application's events, by the name of the file."""
    schemas = {f"{model.TYPE}.json": schema_of(model) for model in application.all_events}
    return {**schemas, TOPICS: asyncapi(application)}


def export(application: Application, folder: Path) -> list[Path]:
    """Bring the folder up to date; returns the files that it wrote.

    Raises `NarrowedError` and writes nothing where a schema that is there would be
    narrowed, or its event is gone.
    """
    made = contracts(application)
    if broken := broken_promises(read(folder), made):
        raise NarrowedError(broken)
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for name, schema in made.items():
        path, text = folder / name, as_text(schema)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def read(folder: Path) -> dict[str, Schema]:
    """The contracts that are in the folder."""
    return {
        path.name: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.json"))
    }


def as_text(schema: Schema) -> str:
    """A contract as its file holds it."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def broken_promises(old: Mapping[str, Schema], new: Mapping[str, Schema]) -> list[str]:
    """What readers of the old contracts could not rely on any more, with the file's name."""
    broken = []
    for name, schema in old.items():
        if name not in new:
            broken.append(f"{name}: the event is gone")
        else:
            compare = moved if name == TOPICS else narrowings
            broken += [f"{name}: {each}" for each in compare(schema, new[name])]
    return broken
