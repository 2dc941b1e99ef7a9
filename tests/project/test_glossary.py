"""docs/glossary.md explains the words of names, log lines and docstrings, each in one sentence."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from tests.project.log_calls import calls, names
from tests.project.tree import ROOT, files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE: Final = ROOT / "docs" / "glossary.md"
ENGINE: Final = ROOT / "outbox_worker"
PROTOCOL: Final = ("relay", "position", "published")
"""The packages whose modules and classes are named by terms."""

ENTRY: Final = re.compile(
    r"^- \*\*(?P<term>[^*]+)\*\*: (?P<text>.+?)(?=\n- |\n*\Z)", re.MULTILINE | re.DOTALL
)
PART: Final = re.compile(r"[A-Z]?[a-z]+")
EMPHASIS: Final = re.compile(r"(?<![\w*])\*([A-Za-z]+(?: [a-z]+)*)\*(?![\w*])")

EVERYDAY: Final = frozenset(
    re.findall(
        r"\w+",
        """
        absent after asking assigned at away back before bytes changed changes connected connections
        counts created database days done entry error exc failed failures from gauges grown held
        http id ids info init large librdkafka line lock lost lowered made many meaning mended
        milliseconds missing next no not numbers off out parts pending postponed progress raised
        reason recreated refuses released replaced request rows seconds seen sent settled shrunk
        signal slow source started stop stopped stopping table thread timed timeout too trouble type
        unknown
        unreadable version wait wanted watch written
        """,
    )
)
"""Words that names and log lines use as everybody does."""


def entries() -> dict[str, str]:
    """The terms in the order of the page, each with its sentence."""
    found = ENTRY.finditer(PAGE.read_text(encoding="utf-8"))
    return {entry["term"]: " ".join(entry["text"].split()) for entry in found}


def parts(name: str) -> set[str]:
    """The words of a name in snake case or camel case."""
    return {part.lower() for part in PART.findall(name)}


def forms(word: str) -> set[str]:
    """The word, and what it may be the plural of."""
    cut = {word.removesuffix("s"), word.removesuffix("es"), re.sub("ies$", "y", word)}
    return {word} | cut


def explained() -> set[str]:
    """Every word of every term; those of its sentence that are set as code stand for themselves."""
    found = entries()
    assert len(found) > 100
    code = [word for text in found.values() for word in re.findall(r"`(\w+)`", text)]
    return set[str]().union(*map(parts, (*found, *code)))


def missing(words: set[str]) -> list[str]:
    """Those that the page does not explain, and that are not everyday words."""
    known = explained() | EVERYDAY
    return sorted(word for word in words if not forms(word) & known)


def modules(*packages: str) -> Iterator[tuple[Path, ast.Module]]:
    """The modules of the engine, or of some of its packages."""
    for path in files(".py"):
        folders = path.relative_to(ROOT).parts[:-1]
        if folders[:1] == (ENGINE.name,) and (not packages or set(folders) & set(packages)):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def docstrings(tree: ast.Module) -> Iterator[str]:
    """Those of the module and of all that is in it."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, kinds):
            yield ast.get_docstring(node) or ""


def test_words_of_modules_and_classes_of_the_protocol_are_explained() -> None:
    found = set[str]()
    for path, tree in modules(*PROTOCOL):
        classes = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        found |= set[str]().union(*map(parts, (path.stem, *classes)))
    assert len(found) > 50
    assert missing(found) == []


def test_words_of_log_lines_and_their_keys_are_explained() -> None:
    found = set[str]()
    for _, tree in modules():
        keys = {key.arg for call in calls(tree) for key in call.keywords if key.arg}
        found |= set[str]().union(*map(parts, names(tree) | keys))
    assert len(found) > 50
    assert missing(found) == []


def test_terms_that_docstrings_emphasise_are_explained() -> None:
    terms = {term.lower() for term in entries()}
    found = {
        term.lower()
        for _, tree in modules()
        for text in docstrings(tree)
        for term in EMPHASIS.findall(text)
    }
    assert len(found) > 5
    assert sorted(term for term in found if not forms(term) & terms) == []


def test_no_term_is_explained_that_nothing_uses() -> None:
    others = [path for path in files(".py", ".md", ".sql") if path != PAGE]
    text = " ".join(path.read_text(encoding="utf-8").lower() for path in others)
    words = " ".join(re.split(r"[\s_`*.-]+", text))
    plain = (term for term in entries() if term.lower().replace("-", " ") not in words)
    assert list(plain) == []


def test_terms_are_in_the_order_of_the_alphabet() -> None:
    found = [term.lower() for term in entries()]
    assert found == sorted(found)


def test_a_term_has_one_sentence() -> None:
    odd = [term for term, text in entries().items() if not text.endswith(".") or ". " in text]
    assert odd == []
