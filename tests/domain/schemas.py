"""The committed contracts, as a subscribing team would use them."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker

from tests.project.tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CONTRACTS: Final = ROOT / "contracts"


def load(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


@cache
def validator_of(kind: str) -> Draft202012Validator:
    """The reader of one event type; ids must be ids."""
    schema = load(CONTRACTS / f"{kind}.json")
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker(["uuid"]))


def violations(kind: str, payload: bytes) -> list[str]:
    """What an event says that its contract does not allow."""
    found = validator_of(kind).iter_errors(json.loads(payload))
    return [f"{kind} {each.json_path}: {each.message}" for each in found]


@cache
def asyncapi_validator() -> Draft7Validator:
    """The specification's own schema."""
    schema = load(ROOT / "tests" / "domain" / "asyncapi-3.0.0.json")
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)
