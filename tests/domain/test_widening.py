"""From one schema to the next within a version: what may come, and what must stay."""

from __future__ import annotations

import copy
from typing import Any, Final

import pytest

from outbox_school.school import school
from outbox_worker.contracts.export import contracts
from outbox_worker.contracts.widening import narrowings

TEXT: Final = {"type": "string"}
UUID: Final = {"type": "string", "format": "uuid"}
NULL: Final = {"type": "null"}


def record(required: tuple[str, ...] = (), /, **properties: object) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def with_definition(**definitions: object) -> dict[str, Any]:
    reference = {"$ref": "#/$defs/Row"}
    return {
        **record(rows={"type": "array", "items": reference}, row=reference),
        "$defs": definitions,
    }


WIDENING: Final[dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "nothing": (record(("a",), a=TEXT), record(("a",), a=TEXT)),
    "a field more": (record(a=TEXT), record(a=TEXT, b=TEXT)),
    "a field more that is always there": (record(a=TEXT), record(("b",), a=TEXT, b=TEXT)),
    "a field that is always there now": (record(a=TEXT), record(("a",), a=TEXT)),
    "the first fields": ({"type": "object"}, record(("a",), a=TEXT)),
    "a constant written as its only value": (record(a={"const": 1}), record(a={"enum": [1]})),
    "values in another order": (record(a={"enum": [1, 2]}), record(a={"enum": [2, 1]})),
    "other words": (
        {**record(a=TEXT), "description": "old", "title": "old"},
        {**record(a={**TEXT, "description": "new"}), "description": "new"},
    ),
    "choices in another order": (
        record(a={"anyOf": [UUID, NULL]}),
        record(a={"anyOf": [NULL, UUID]}),
    ),
    "a field more in a choice": (
        record(a={"anyOf": [record(b=TEXT), NULL]}),
        record(a={"anyOf": [record(b=TEXT, c=TEXT), NULL]}),
    ),
    "a field more in a list": (
        record(a={"type": "array", "items": record(b=TEXT)}),
        record(a={"type": "array", "items": record(b=TEXT, c=TEXT)}),
    ),
    "a field more in a definition": (
        with_definition(Row=record(b=TEXT)),
        with_definition(Row=record(b=TEXT, c=TEXT)),
    ),
    "a definition with another name": (
        {**record(a={"$ref": "#/$defs/Old"}), "$defs": {"Old": record(b=TEXT)}},
        {**record(a={"$ref": "#/$defs/New"}), "$defs": {"New": record(b=TEXT)}},
    ),
    "a definition written out": (
        {**record(a={"$ref": "#/$defs/Old"}), "$defs": {"Old": record(b=TEXT)}},
        record(a=record(b=TEXT)),
    ),
    "a definition that holds itself": (
        with_definition(Row=record(row={"$ref": "#/$defs/Row"})),
        with_definition(Row=record(row={"$ref": "#/$defs/Row"}, b=TEXT)),
    ),
}

NARROWING: Final[dict[str, tuple[dict[str, Any], dict[str, Any], str]]] = {
    "a field less": (record(a=TEXT, b=TEXT), record(a=TEXT), "$.b: is gone"),
    "a field with another name": (record(a=TEXT), record(b=TEXT), "$.a: is gone"),
    "a field that is not always there any more": (
        record(("a",), a=TEXT),
        record(a=TEXT),
        "$.a: is no longer always there",
    ),
    "another type": (
        record(a=TEXT),
        record(a={"type": "integer"}),
        "$.a: type changed from string to integer",
    ),
    "a field that may be null now": (
        record(a=TEXT),
        record(a={"anyOf": [TEXT, NULL]}),
        "$.a: anyOf changed from None to ",
    ),
    "a choice more": (
        record(a={"anyOf": [TEXT, NULL]}),
        record(a={"anyOf": [TEXT, NULL, {"type": "integer"}]}),
        "$.a: may now be {'type': 'integer'} too",
    ),
    "a choice less": (
        record(a={"anyOf": [TEXT, NULL]}),
        record(a={"anyOf": [TEXT]}),
        "$.a: what it may be changed",
    ),
    "a value less": (
        record(a={"enum": ["x", "y"]}),
        record(a={"enum": ["y", "z"]}),
        "$.a: the value 'x' is gone",
    ),
    "a further value": (
        record(a={"enum": [1, 2]}),
        record(a={"enum": [2, 3, 1]}),
        "$.a: the value 3 is new",
    ),
    "a constant becomes one of several": (
        record(a={"const": 1}),
        record(a={"enum": [1, 2]}),
        "$.a: the value 2 is new",
    ),
    "a further name of a map": (
        record(a={"additionalProperties": TEXT, "propertyNames": {"enum": ["x"]}}),
        record(a={"additionalProperties": TEXT, "propertyNames": {"enum": ["x", "y"]}}),
        "$.a[]: the value 'y' is new",
    ),
    "another constant": (
        record(a={"const": "x"}),
        record(a={"const": "y"}),
        "$.a: the value 'x' is gone",
    ),
    "any value where there were some": (
        record(a={"type": "string", "enum": ["x"]}),
        record(a=TEXT),
        "$.a: enum changed",
    ),
    "some values where there was any": (
        record(a=TEXT),
        record(a={"type": "string", "enum": ["x"]}),
        "$.a: enum changed",
    ),
    "no format any more": (record(a=UUID), record(a=TEXT), "$.a: format changed from uuid to None"),
    "another format": (
        record(a=UUID),
        record(a={**TEXT, "format": "date-time"}),
        "$.a: format changed from uuid to date-time",
    ),
    "another bound": (
        record(a={"type": "integer", "maximum": 1}),
        record(a={"type": "integer", "maximum": 2}),
        "$.a: maximum changed from 1 to 2",
    ),
    "unknown fields are refused now": (
        record(a=TEXT),
        {**record(a=TEXT), "additionalProperties": False},
        "$: additionalProperties changed from None to False",
    ),
    "a map of something else": (
        record(a={"type": "object", "additionalProperties": TEXT}),
        record(a={"type": "object", "additionalProperties": True}),
        "$.a[]: changed from ",
    ),
    "a list of something else": (
        record(a={"type": "array", "items": TEXT}),
        record(a={"type": "array", "items": UUID}),
        "$.a[]: format changed from None to uuid",
    ),
    "a field less in a list": (
        record(a={"type": "array", "items": record(b=TEXT)}),
        record(a={"type": "array", "items": record()}),
        "$.a[].b: is gone",
    ),
    "a field less in a definition": (
        with_definition(Row=record(b=TEXT)),
        with_definition(Row=record()),
        "$.rows[].b: is gone",
    ),
    "a field less in a definition that holds itself": (
        with_definition(Row=record(row={"$ref": "#/$defs/Row"}, b=TEXT)),
        with_definition(Row=record(row={"$ref": "#/$defs/Row"})),
        "$.row.b: is gone",
    ),
    "a field less in a choice": (
        record(a={"anyOf": [record(b=TEXT), NULL]}),
        record(a={"anyOf": [record(), NULL]}),
        "$.a: what it may be changed",
    ),
    "a name of a map less": (
        record(a={"additionalProperties": TEXT, "propertyNames": {"enum": ["x", "y"]}}),
        record(a={"additionalProperties": TEXT, "propertyNames": {"enum": ["x"]}}),
        "$.a[]: the value 'y' is gone",
    ),
}


@pytest.mark.parametrize(("old", "new"), WIDENING.values(), ids=WIDENING)
def test_what_only_widens_is_let_through(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert narrowings(old, new) == []


@pytest.mark.parametrize(("old", "new", "lost"), NARROWING.values(), ids=NARROWING)
def test_what_takes_something_away_is_named(
    old: dict[str, Any], new: dict[str, Any], lost: str
) -> None:
    found = narrowings(old, new)
    assert any(each.startswith(lost) for each in found), found


@pytest.mark.parametrize("name", sorted(contracts(school)))
def test_a_contract_is_no_narrower_than_itself_and_narrower_without_any_of_its_fields(
    name: str,
) -> None:
    schema = contracts(school)[name]
    assert narrowings(schema, copy.deepcopy(schema)) == []
    for field in schema.get("properties", {}):
        less = copy.deepcopy(schema)
        del less["properties"][field]
        assert narrowings(schema, less) == [f"$.{field}: is gone"]
        assert narrowings(less, schema) == []
