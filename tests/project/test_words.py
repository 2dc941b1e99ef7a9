"""Pages, docstrings, comments and messages are plain English: some phrases are banned."""

from __future__ import annotations

import io
import re
import tokenize
from typing import TYPE_CHECKING, Final

import pytest

from tests.project.documents import FENCE, INLINE, pages
from tests.project.tree import files, name

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


def prose(page: str) -> str:
    """A page without its code, each paragraph in one line."""
    text = INLINE.sub("", FENCE.sub("", page))
    return re.sub(r"(?<![\n|])\n(?![\n|#]|[-*] |\d+\. )", " ", text)


def words(source: str) -> str:
    """The comments and strings of a module, a line each."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    found = [token.string for token in tokens if token.type in KINDS]
    return "\n".join(" ".join(each.split()) for each in found)


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
