"""The recipes of CONTRIBUTING: their paths are there, and each names the test that holds it."""

from __future__ import annotations

import re
from typing import Final

import pytest

from tests.project.tree import ROOT

RECIPES: Final = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Recipes")[1]
PARTS: Final = dict(
    re.findall(
        r"^\*\*Add an? ([\w ]+)\.?\*\*(.*?)(?=^\*\*Add|^## )", RECIPES, re.MULTILINE | re.DOTALL
    )
)
WANTED: Final = {
    "command",
    "event",
    "header",
    "statement",
    "migration",
    "setting",
    "metric",
    "log line",
    "CLI command",
}
# A path, or the name of a module in the folder of the one before it.
PATH: Final = re.compile(r"`((?:[\w.-]+/)*[\w.-]+(?:\.(?:py|sql|md)|/))`")
OPEN: Final = re.compile(r"NNNN|FOLDER|STEM|NAME")


def paths(recipe: str) -> list[str]:
    """Every path that a recipe names, those of modules in a row made whole."""
    found, folder = [], ""
    for path in PATH.findall(recipe):
        if "/" in path:
            folder = path.rpartition("/")[0]
            found.append(path)
        elif (ROOT / path).exists():
            found.append(path)
        else:
            found.append(f"{folder}/{path}")
    return [path for path in found if not OPEN.search(path)]


def test_there_is_a_recipe_for_each_kind_of_change() -> None:
    assert set(PARTS) == WANTED


@pytest.mark.parametrize("kind", sorted(WANTED))
def test_every_path_of_a_recipe_is_there(kind: str) -> None:
    named = paths(PARTS[kind])
    assert len(named) >= 3
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("kind", sorted(WANTED))
def test_a_recipe_says_which_test_holds_it(kind: str) -> None:
    held = PARTS[kind].partition("Held by")[2]
    assert [path for path in paths(held) if path.startswith("tests/")]
