"""The calls of a module that log, and the names of the lines that they write."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

LEVELS: Final = frozenset({"debug", "info", "warning", "error", "exception", "critical"})


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
