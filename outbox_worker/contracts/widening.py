"""What a reader loses from one schema to another: nothing, where a version only widens.

What may come within a version: fields, the promise that a field is always there, and other
words in titles and descriptions. All else stays; a further value of an enumeration too would
meet readers that have a branch for each.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

Schema: TypeAlias = dict[str, Any]

WORDS: Final = frozenset(
    {"$schema", "$id", "$comment", "$defs", "title", "description", "examples", "deprecated"}
)
"""Keywords on which no reader's code rests; definitions are looked at where they are used."""

NESTED: Final = frozenset({"items", "additionalProperties", "propertyNames"})
CHOICES: Final = frozenset({"anyOf", "oneOf"})

Seen: TypeAlias = frozenset[tuple[str, str]]
"""References that are being looked at: a definition may hold itself."""


def narrowings(old: Schema, new: Schema) -> list[str]:
    """Each promise of `old` that `new` does not keep, with the path of the field; sorted."""
    return sorted(set(_Comparison(old, new).of(old, new, "$", frozenset())))


class _Comparison:
    """Two documents, in which the references of their schemas lead somewhere."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._old = old
        self._new = new

    def of(self, old: object, new: object, path: str, seen: Seen) -> list[str]:
        """What is lost from a schema of the old document to one of the new."""
        if not isinstance(old, dict) or not isinstance(new, dict):
            # true and false are schemas too.
            return [] if old == new else [f"{path}: changed from {old} to {new}"]
        pair = (str(old.get("$ref")), str(new.get("$ref")))
        if pair in seen:
            return []
        if pair != ("None", "None"):
            seen |= {pair}
        before, after = _whole(old, self._old), _whole(new, self._new)
        return [
            lost
            for keyword in sorted((before.keys() | after.keys()) - WORDS)
            for lost in self._by_keyword(keyword, (before, after), path, seen)
        ]

    def _by_keyword(  # noqa: PLR0911  one line for each keyword
        self, keyword: str, schemas: tuple[Schema, Schema], path: str, seen: Seen
    ) -> list[str]:
        before, after = (schema.get(keyword) for schema in schemas)
        changed = f"{path}: {keyword} changed from {before} to {after}"
        match keyword:
            case "properties":
                return self._properties(before or {}, after or {}, path, seen)
            case "required":
                gone = sorted(set(before or ()).difference(after or ()))
                return [f"{path}.{name}: is no longer always there" for name in gone]
            case _ if not all(keyword in schema for schema in schemas):
                return [changed]
            case "enum":
                return self._values(before or [], after or [], path)
            case _ if keyword in NESTED:
                return self.of(before, after, f"{path}[]", seen)
            case _ if keyword in CHOICES:
                return self._choices(before or [], after or [], path, seen)
            case _:
                return [] if before == after else [changed]

    def _properties(self, before: Schema, after: Schema, path: str, seen: Seen) -> list[str]:
        lost = [f"{path}.{name}: is gone" for name in before.keys() - after.keys()]
        for name in before.keys() & after.keys():
            lost += self.of(before[name], after[name], f"{path}.{name}", seen)
        return lost

    def _values(self, before: list[object], after: list[object], path: str) -> list[str]:
        gone = [f"{path}: the value {each!r} is gone" for each in before if each not in after]
        new = [f"{path}: the value {each!r} is new" for each in after if each not in before]
        return gone + new

    def _choices(
        self, before: list[object], after: list[object], path: str, seen: Seen
    ) -> list[str]:
        """Each choice stays and none comes: a reader has a branch for each."""
        left = list(after)
        for choice in before:
            match = next((each for each in left if not self.of(choice, each, path, seen)), None)
            if match is None:
                return [f"{path}: what it may be changed from {before} to {after}"]
            left.remove(match)
        return [f"{path}: may now be {each} too" for each in left]


def _whole(schema: Schema, document: Schema) -> Schema:
    """The schema with its reference followed, and a constant as the enumeration that it is."""
    found = schema
    while "$ref" in found:
        beside = {name: value for name, value in found.items() if name != "$ref"}
        target: Schema = document
        for step in found["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        found = target | beside
    if "const" in found:
        found = {**found, "enum": [found["const"]]}
        del found["const"]
    return found
