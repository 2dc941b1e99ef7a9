"""Rules of the house that no linter holds.

A place where a rule makes things worse says so: `# long: reason` on the first
line of the function or module (`-- long: reason` in SQL).
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from outbox_worker.settings import Settings
from tests.project.tree import PRODUCT, ROOT, files, name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODULE_LINES = 350
FUNCTION_LINES = 40
STATEMENT_LINES = 60

COMMENT = re.compile(r"^ *--.*$", re.MULTILINE)

Function = ast.FunctionDef | ast.AsyncFunctionDef

# Addresses of package registries and image registries, and settings that name one.
REGISTRY = re.compile(
    r"""\b(?:pypi|pythonhosted|npmjs|crates|(?:repo\d?\.)?maven(?:\.apache)?|quay|ghcr|docker|gcr)
        \.(?:org|io|com)\b
        |https?://\S*(?:/simple\b|/maven2|registry)
        |--(?:extra-)?index-url|--find[-]links""",
    re.VERBOSE,
)
# Folders of a person or of one machine.
MACHINE_PATH = re.compile(r"(?<![\w.$}/-])/(?:home|root|Users|work)/[\w.-]+")


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=name(path))


def excused(path: Path, line: int) -> bool:
    """Whether the line gives a reason for being the beginning of something long."""
    return "long: " in path.read_text(encoding="utf-8").splitlines()[line - 1]


def functions() -> Iterator[tuple[Path, Function]]:
    for path in files(".py"):
        for node in ast.walk(parse(path)):
            if isinstance(node, Function):
                yield path, node


def body_lines(function: Function) -> int:
    """Lines of the body, the docstring not counted."""
    documented = ast.get_docstring(function) is not None
    body = function.body[1:] if documented else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def in_product(path: Path) -> bool:
    return path.relative_to(ROOT).parts[0] in PRODUCT


def test_no_module_is_longer_than_350_lines() -> None:
    sizes = {path: path.read_text(encoding="utf-8").count("\n") for path in files(".py")}
    long = {
        name(path): lines
        for path, lines in sizes.items()
        if lines > MODULE_LINES and not excused(path, 1)
    }
    assert long == {}


def test_no_function_body_is_longer_than_40_lines() -> None:
    long = [
        f"{name(path)}:{node.lineno} {node.name}: {body_lines(node)} lines"
        for path, node in functions()
        if body_lines(node) > FUNCTION_LINES and not excused(path, node.lineno)
    ]
    assert long == []


def test_no_statement_is_longer_than_60_lines() -> None:
    sizes = {
        path: path.read_text(encoding="utf-8").count("\n")
        for path in files(".sql")
        if path.relative_to(ROOT).parts[0] == "sql" and "migrations" not in path.parts
    }
    long = {
        name(path): lines
        for path, lines in sizes.items()
        if lines > STATEMENT_LINES and not excused(path, 1)
    }
    assert long == {}


def test_sql_fits_a_database_of_any_encoding() -> None:
    """A migration is sent without the letters of its comments; a statement as it stands."""
    found = {}
    for path in files(".sql"):
        if path.relative_to(ROOT).parts[0] != "sql":
            continue
        text = path.read_text(encoding="utf-8")
        sent = COMMENT.sub("", text) if "migrations" in path.parts else text
        if not sent.isascii():
            found[name(path)] = sorted({each for each in sent if not each.isascii()})
    assert found == {}


def mutable(value: ast.expr | None) -> bool:
    """Whether the expression makes a list, a dict or a set."""
    match value:
        case ast.List() | ast.Dict() | ast.Set() | ast.ListComp() | ast.DictComp() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id=called)):
            return called in {"list", "dict", "set", "defaultdict", "deque", "bytearray"}
        case _:
            return False


def promised_constant(node: ast.Assign | ast.AnnAssign) -> bool:
    """Whether the type checker refuses to change it: annotated as something read-only."""
    if not isinstance(node, ast.AnnAssign):
        return "__all__" in ast.unparse(node.targets[0])
    return (
        re.search(r"\b(?:Mapping|Sequence|Collection)\[", ast.unparse(node.annotation)) is not None
    )


def test_no_module_of_the_product_holds_mutable_state() -> None:
    held = [
        f"{name(path)}:{node.lineno}"
        for path in files(".py")
        if in_product(path)
        for node in parse(path).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and mutable(node.value)
        and not promised_constant(node)
    ]
    assert held == [], "a constant is a tuple, a frozenset, or annotated Final[Mapping[...]]"


def closes_producer(node: ast.AST) -> bool:
    """Whether it closes a producer, by its method or at the end of a block."""
    match node:
        case ast.Call(func=ast.Attribute(attr="close", value=closed)):
            return (
                re.search(r"(?:\b|_)producer(?:\(.*\))?$", ast.unparse(closed), re.IGNORECASE)
                is not None
            )
        case ast.withitem(context_expr=entered):
            return re.search(r"producer\b", ast.unparse(entered), re.IGNORECASE) is not None
        case _:
            return False


@pytest.mark.parametrize(
    ("line", "closed"),
    [
        ("self._producer.close()", True),
        ("kafka.make_producer(config).close()", True),
        ("with Producer(config) as made: pass", True),
        ("with closing(old_producer): pass", True),
        ("self.close()", False),
        ("producer.purge(blocking=False)", False),
    ],
)
def test_closing_a_producer_is_seen(line: str, *, closed: bool) -> None:
    assert any(map(closes_producer, ast.walk(ast.parse(line)))) is closed


def test_no_producer_is_closed() -> None:
    found = [
        name(path)
        for path in files(".py")
        if in_product(path) and any(map(closes_producer, ast.walk(parse(path))))
    ]
    assert found == [], "close() of a producer waits without bound while a broker is away"


@pytest.mark.parametrize(
    "rule", [REGISTRY, MACHINE_PATH], ids=["registry address", "path of one machine"]
)
def test_no_file_names_a_place_that_others_do_not_have(rule: re.Pattern[str]) -> None:
    found = [
        f"{name(path)}:{number}: {match[0]}"
        for path in files()
        if path.suffix not in {".svg", ".png"} and path.name != "LICENSE"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if (match := rule.search(line))
    ]
    assert found == []


def test_no_file_names_the_folder_of_this_clone() -> None:
    places = {str(ROOT), str(ROOT.parent) + "/"} - {"/", "//"}
    found = [
        name(path)
        for path in files()
        if path.suffix != ".png"
        and any(place in path.read_text(encoding="utf-8") for place in places)
    ]
    assert found == []


def imported_modules(node: ast.AST) -> list[str]:
    """The modules that a statement imports, in either form of it."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def test_the_application_imports_one_module_of_the_engine() -> None:
    found = {
        f"{name(path)}: {module}"
        for path in files(".py")
        if path.relative_to(ROOT).parts[0] in {"domain", "examples"}
        for node in ast.walk(parse(path))
        for module in imported_modules(node)
        if module.split(".")[0] == "outbox_worker" and module != "outbox_worker.application"
    }
    assert found == set()


def test_the_engine_names_nothing_of_the_application() -> None:
    words = re.compile(r"school|roster|huleedu|essay|student|teacher|\bdomain\b", re.IGNORECASE)
    default = f'"{Settings.model_fields["application"].default}"'
    paths = [
        path
        for path in files(".py", ".sql")
        if name(path).startswith(("outbox_worker/", "sql/engine/"))
    ]
    assert len(paths) > 150
    found = {
        f"{name(path)}: {line.strip()}"
        for path in paths
        for line in path.read_text(encoding="utf-8").replace(default, "").splitlines()
        if words.search(line)
    }
    assert found == set()


def test_the_relay_has_at_most_eight_fields() -> None:
    found = {
        target.attr
        for node in ast.walk(parse(ROOT / "outbox_worker" / "relay" / "relay.py"))
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for each in (node.targets if isinstance(node, ast.Assign) else [node.target])
        for target in ast.walk(each)
        if isinstance(target, ast.Attribute)
        and isinstance(target.value, ast.Name)
        and target.value.id == "self"
    }
    assert 0 < len(found) <= 8, found
