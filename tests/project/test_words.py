"""Pages, docstrings, comments and messages are plain English: some phrases are banned.

Those of `.sql` files too, but for migrations that are never changed.
"""

from __future__ import annotations

import io
import re
import tokenize
from typing import TYPE_CHECKING, Final

import pytest

from tests.project.documents import FENCE, INLINE, pages
from tests.project.tree import ROOT, files, name

if TYPE_CHECKING:
    from pathlib import Path

PHRASES: Final = {
    "is told": r"\b(?:is|are|was|were) told\b",
    "goes on": r"\bgo(?:es)? on\b",
    "likewise": r"\blikewise\b",
    "for a person": r"\bfor a person\b",
}
"""By what it is called, the pattern of a phrase; say who does what instead."""

WHO: Final = re.compile(r"(?:^|[.:;!?|] |^[-*] |^\d+\. )Who(?:ever)?\b[^.?]*\.", re.MULTILINE)
"""A sentence whose subject is `who ...`, and not a question."""

KINDS: Final = {
    tokenize.STRING,
    tokenize.COMMENT,
    # From Python 3.12 on the text of an f-string is a token of its own.
    getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING),
}


FIXED: Final = frozenset(
    {
        "sql/engine/migrations/0002_publish.sql",
        "sql/engine/migrations/0004_partitions.sql",
        "sql/engine/migrations/0007_writers.sql",
        "sql/school/migrations/0002_batches.sql",
    }
)
"""Migrations that have such a phrase in a comment: a database knows their checksums."""

SNAPSHOT: Final = ROOT / "tests" / "sql" / "schema.sql"
"""What all migrations make together, with their comments."""


def prose(page: str) -> str:
    """A page without its code, each paragraph in one line."""
    text = INLINE.sub("", FENCE.sub("", page))
    return re.sub(r"(?<![\n|])\n(?![\n|#]|[-*] |\d+\. )", " ", text)


def words(source: str) -> str:
    """The comments and strings of a module, a line each."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    found = [token.string for token in tokens if token.type in KINDS]
    return "\n".join(" ".join(each.split()) for each in found)


def comments(statement: str) -> str:
    """The comments of a `.sql` file, each block of lines in one line."""
    lines = (line.strip() for line in statement.splitlines())
    text = "\n".join(line.lstrip("- ") if line.startswith("--") else "" for line in lines)
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text).strip("\n")


def found(text: str) -> list[str]:
    """The banned phrases of a text, each with the words around it."""
    return [
        f"{phrase}: ...{text[max(0, hit.start() - 40) : hit.end() + 40]}..."
        for phrase, pattern in PHRASES.items()
        for hit in re.finditer(pattern, text, re.IGNORECASE)
    ]


@pytest.mark.parametrize("page", pages(), ids=name)
def test_a_page_has_no_banned_phrase(page: Path) -> None:
    text = prose(page.read_text(encoding="utf-8"))
    assert found(text) + WHO.findall(text) == []


def test_no_module_has_a_banned_phrase() -> None:
    modules = [path for path in files(".py") if path.name != "test_words.py"]
    assert len(modules) > 300
    hits = {name(path): found(words(path.read_text(encoding="utf-8"))) for path in modules}
    assert {module: each for module, each in hits.items() if each} == {}


def test_no_statement_has_a_banned_phrase() -> None:
    paths = [path for path in files(".sql") if path != SNAPSHOT]
    assert len(paths) > 150
    hits = {}
    for path in paths:
        text = comments(path.read_text(encoding="utf-8"))
        if each := found(text) + WHO.findall(text):
            hits[name(path)] = each
    assert {statement: each for statement, each in hits.items() if statement not in FIXED} == {}
    assert hits.keys() >= FIXED, "what has no such phrase is no exception"


def test_a_banned_phrase_in_a_comment_of_a_statement_is_found() -> None:
    statement = "-- folder/find_it\n-- Writers go\n--   on meanwhile.\nSELECT 'likewise'\n"
    assert [each.partition(":")[0] for each in found(comments(statement))] == ["goes on"]


@pytest.mark.parametrize(
    "text",
    [
        "The worker is told to stop.",
        "All others go\non together.",
        "It goes on.",
        "Its gauges, likewise.",
        "Shards that wait for a person.",
        "- Who waits holds nothing.",
        "It ends. Whoever waits tries again.",
    ],
)
def test_a_banned_phrase_is_found(text: str) -> None:
    assert found(prose(text)) + WHO.findall(prose(text)) != []


@pytest.mark.parametrize(
    "text",
    ["Who publishes?", "It says who has it.", "See `goes on`.", "The state is toldish."],
)
def test_other_words_pass(text: str) -> None:
    assert found(prose(text)) + WHO.findall(prose(text)) == []
