"""docs/operations.md names every line that the program logs, and none that it does not."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

import pytest

from tests.project.tree import ROOT, files

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT: Final = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
SECTION: Final = TEXT.partition("## Log lines")[2].partition("\n## ")[0]
LEVELS: Final = frozenset({"debug", "info", "warning", "error", "exception", "critical"})
NAME: Final = re.compile(r"[a-z]+(_[a-z]+)*")
FOREIGN: Final = "librdkafka"
"""What librdkafka says goes through under one name, in its own words."""


def is_level(node: ast.expr) -> bool:
    """Whether it is `log.info` or the like."""
    return (
        isinstance(node, ast.Attribute)
        and node.attr in LEVELS
        and (
            ast.unparse(node.value) == "log"
            or ast.unparse(node.value).startswith("structlog.get_logger")
        )
    )


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    """All calls that log, also by way of a name for `log.info`."""
    assigned = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    aliases = {
        ast.unparse(node.targets[0])
        for node in assigned
        if any(is_level(part) for part in direct(node.value))
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (
            is_level(node.func) or ast.unparse(node.func) in aliases
        ):
            yield node


def direct(value: ast.expr) -> list[ast.expr]:
    """What a name may stand for: the value, or either side of a condition."""
    return [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]


def names(tree: ast.Module) -> set[str]:
    """The names of the lines that a module logs; a table of names counts with all of them."""
    tables = {
        ast.unparse(node.target): list(node.value.values)
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Dict)
    }
    found = set()
    for call in calls(tree):
        for part in ast.walk(call.args[0]):
            of_a_table = tables.get(part.id, []) if isinstance(part, ast.Name) else []
            found |= {
                each.value
                for each in [part, *of_a_table]
                if isinstance(each, ast.Constant) and isinstance(each.value, str)
            }
    return found


@pytest.fixture(scope="module")
def logged() -> set[str]:
    """The names of all lines of the program."""
    sources = [path for path in files(".py") if path.relative_to(ROOT).parts[0] == "outbox_worker"]
    assert sources
    return set().union(*(names(ast.parse(path.read_text())) for path in sources)) - {FOREIGN}


def documented() -> set[str]:
    """Those of the table, and those that only OUTBOX_LOG_LEVEL=debug shows."""
    rows = [row.split("|")[1] for row in SECTION.splitlines() if row.startswith("| `")]
    debug = re.search(r"`OUTBOX_LOG_LEVEL=debug` adds (.+?)\.\s", SECTION, re.DOTALL)
    assert debug is not None
    return {name for text in [*rows, debug[1]] for name in re.findall(r"`(\w+)`", text)}


def test_every_line_has_a_name_that_can_be_looked_for(logged: set[str]) -> None:
    assert [name for name in logged if not NAME.fullmatch(name)] == []
    assert len(logged) > 40


def test_every_line_is_there(logged: set[str]) -> None:
    assert logged - documented() == set()


def test_no_line_is_there_that_is_never_logged(logged: set[str]) -> None:
    assert documented() - logged == set()
