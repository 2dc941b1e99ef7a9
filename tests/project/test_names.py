"""Names that were given up stay so: each has a better one, which the house uses now."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

import pytest

from tests.project.tree import ROOT, files, name

if TYPE_CHECKING:
    from pathlib import Path

NOW: Final = {
    "Admission": "Claims",
    "Caller": "AbandonableThread",
    "Complaints": "KafkaStatus",
    "LockPatience": "LockRetry",
    "Lookups": "PositionLookup",
    "Patience": "RetryCounter",
    "Recovery": "Takeover",
    "Stored": "CommittedPosition",
    "UnreachableError": "ServerError",
    "lost_in_mirror": "invalid_in_mirror",
    "standstill": "idle_group",
    "evidence": "witnesses",
    "tell": "emit",
    "way_out": "hint",
    "lacks": "set_unready",
    "lacking": "unready",
}
"""By the name of before the one of now."""

PRODUCT: Final = ("outbox_worker", "domain")
SOURCES: Final = [path for path in files(".py") if path.relative_to(ROOT).parts[0] in PRODUCT]


def given(path: Path) -> set[str]:
    """Every name that a module defines: functions, classes, attributes, and its own."""
    found = {path.stem}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.FunctionDef(name=called) | ast.ClassDef(name=called):
                found.add(called)
            case ast.Name(id=called, ctx=ast.Store()) | ast.Attribute(attr=called, ctx=ast.Store()):
                found.add(called)
            case _:
                pass
    return {each.lstrip("_") for each in found}


@pytest.mark.parametrize("old", NOW)
def test_no_name_of_before_is_given_again(old: str) -> None:
    assert len(SOURCES) > 100
    again = [name(path) for path in SOURCES if old in given(path)]
    assert again == [], f"it is called {NOW[old]} now"


def test_no_module_of_before_is_named_in_the_pages() -> None:
    gone = re.compile(
        r"relay/(admission|caller|complaints|crowd|evidence|history|lookups|recovery)\.py"
    )
    named = {
        f"{name(path)}: {found.group()}"
        for path in files(".md", ".py", ".sql")
        if path.name not in {"CHANGELOG.md", "test_names.py"}
        for found in gone.finditer(path.read_text(encoding="utf-8"))
    }
    assert named == set()
