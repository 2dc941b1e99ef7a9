"""No file is dead: everything is reached from somewhere that a person starts."""

from __future__ import annotations

import ast

import grimp
import pytest

from outbox_worker.cli import COMMANDS
from tests.project.tree import ROOT, files, name

# Where the console script and `python -m` begin; `outbox_school` is called by its users.
# The command line imports a command's module by the command's name.
PRODUCT_ENTRIES = frozenset(
    {"outbox_worker.cli", "outbox_worker.__main__", "outbox_school"}
    | {f"outbox_worker.cli.{name.replace('-', '_')}" for name in COMMANDS}
)


def modules(package: str) -> set[str]:
    """Dotted names of all modules below the package."""
    paths = [name(path).removeprefix("domain/").removesuffix(".py") for path in files(".py")]
    names = {path.replace("/", ".").removesuffix(".__init__") for path in paths}
    return {each for each in names if each.split(".")[0] == package}


def starts_by_itself(module: str) -> bool:
    """Whether it is run with `python -m`: a process of its own, not an import."""
    paths = [folder / (module.replace(".", "/") + ".py") for folder in (ROOT, ROOT / "domain")]
    path = next((each for each in paths if each.exists()), None)
    if path is None:
        return False
    tests = (node.test for node in ast.parse(path.read_text()).body if isinstance(node, ast.If))
    return any("__main__" in ast.unparse(test) for test in tests)


def reached(graph: grimp.ImportGraph, entries: set[str]) -> set[str]:
    """All that the entries import, directly or not, with the packages around it."""
    found = set(entries)
    for entry in entries:
        found |= graph.find_upstream_modules(entry)
    parents = {
        ".".join(parts[:depth])
        for parts in (name.split(".") for name in found)
        for depth in range(1, len(parts))
    }
    # Importing a module runs the packages around it, and those import too.
    grown = found | parents
    return grown if grown == entries else reached(graph, grown & graph.modules)


def is_started_by_pytest(module: str) -> bool:
    stem = module.rpartition(".")[2]
    return stem.startswith("test_") or stem == "conftest" or module.startswith("tests.plugins.")


def test_every_module_of_the_product_is_reached_from_the_command() -> None:
    graph = grimp.build_graph("outbox_worker", "outbox_school")
    known = modules("outbox_worker") | modules("outbox_school")
    entries = {name for name in known if name in PRODUCT_ENTRIES or starts_by_itself(name)}
    assert known - reached(graph, entries) == set()


@pytest.mark.parametrize("package", ["tests", "bench"])
def test_every_module_of_tests_and_benchmarks_is_used(package: str) -> None:
    known = modules(package)
    if not known:
        pytest.fail(f"there is no package {package}")
    graph = grimp.build_graph(package)
    entries = {
        name
        for name in known
        if is_started_by_pytest(name) or name.endswith(".__main__") or starts_by_itself(name)
    }
    assert known - reached(graph, entries) == set()
