"""docs/writers-by-language.md shows what `make drivers` runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.drivers.languages import FOLDER, LANGUAGES
from tests.drivers.snippets import snippet
from tests.project.documents import blocks
from tests.project.tree import ROOT

if TYPE_CHECKING:
    from tests.drivers.languages import Language, Program

PAGE = ROOT / "docs" / "writers-by-language.md"
PROGRAMS = [(language, program) for language in LANGUAGES for program in language.programs]
LIBRARIES = [program.library for _, program in PROGRAMS]


def shown() -> list[str]:
    return [block.text for block in blocks(PAGE.read_text()) if block.language != "sh"]


@pytest.mark.parametrize(("language", "program"), PROGRAMS, ids=LIBRARIES)
def test_the_page_shows_what_the_program_does(language: Language, program: Program) -> None:
    source = (FOLDER / language.folder / program.source).read_text()
    assert snippet(source, program.library) in shown()


def test_the_page_shows_no_more_than_what_runs() -> None:
    assert len(shown()) == len(PROGRAMS)


@pytest.mark.parametrize(("language", "program"), PROGRAMS, ids=LIBRARIES)
def test_each_snippet_publishes_sends_bytes_and_submits(
    language: Language, program: Program
) -> None:
    text = snippet((FOLDER / language.folder / program.source).read_text(), program.library)
    calls = ("outbox.publish(", "outbox.publish_bytes(", "outbox.submit(")
    assert [text.count(call) for call in calls] == [1, 1, 1]
