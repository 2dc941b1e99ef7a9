"""From a test its helpers lead through at most two further modules, so that it can be read."""

from __future__ import annotations

import ast
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from tests.project.tree import ROOT, files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Function = tuple[str, str]
    """A module and a function in it."""

MOST: Final = 2
"""Modules that a reader opens to the end of a chain of calls; methods are not followed."""


class Helpers:
    """The functions of modules of tests, and which calls which."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        """`sources` are the texts of the modules, by name."""
        self._called: dict[Function, set[Function]] = {}
        trees = {module: ast.parse(text) for module, text in sources.items()}
        known = {
            (module, node.name)
            for module, tree in trees.items()
            for node in tree.body
            if isinstance(node, ast.FunctionDef)
        }
        for module, tree in trees.items():
            imported = {
                each.asname or each.name: (node.module or "", each.name)
                for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom)
                for each in node.names
            }
            for node in tree.body:
                if isinstance(node, ast.FunctionDef):
                    found = {imported.get(name, (module, name)) for name in calls(node)}
                    self._called[module, node.name] = found & known

    def deep(self) -> list[list[Function]]:
        """By test that is too deep, its longest chain of calls."""
        tests = [function for function in self._called if function[1].startswith("test_")]
        chains = [self._longest([test]) for test in tests]
        return [chain for chain in chains if entered(chain) > MOST]

    def _longest(self, chain: list[Function]) -> list[Function]:
        further = [each for each in self._called[chain[-1]] if each not in chain]
        return max((self._longest([*chain, each]) for each in further), key=entered, default=chain)


def calls(function: ast.FunctionDef) -> Iterator[str]:
    """The names by which it calls something."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


def entered(chain: list[Function]) -> int:
    """How often a chain of calls leads into another module."""
    return sum(before[0] != after[0] for before, after in pairwise(chain))


def test_no_test_needs_more_than_two_modules_of_helpers() -> None:
    paths = [path for path in files(".py") if path.relative_to(ROOT).parts[0] == "tests"]
    sources = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path.read_text(encoding="utf-8")
        for path in paths
    }
    assert len(sources) > 200
    assert Helpers(sources).deep() == []


def test_a_chain_through_three_modules_is_found() -> None:
    sources = {
        "a": "from b import one as first\ndef test_it(): helper()\ndef helper(): first()\n",
        "b": "from c import two\ndef one(): two()\n",
        "c": "from d import three\ndef two(): three()\n",
        "d": "def three(): pass\n",
    }
    chain = [("a", "test_it"), ("a", "helper"), ("b", "one"), ("c", "two"), ("d", "three")]
    assert Helpers(sources).deep() == [chain]
    assert Helpers(sources | {"c": "def two(): two()\n"}).deep() == []
