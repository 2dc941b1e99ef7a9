"""docs/commands.md names all that a service can send, and all that it can be answered."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

from outbox_school.commands import FailureCode
from outbox_school.results import ErrorCode
from outbox_school.school import school
from outbox_worker.application.command import ENVELOPE

if TYPE_CHECKING:
    from outbox_school.commands import AnyCommand

TEXT = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()
ROWS = {name: row for row in TEXT.splitlines() for name in re.findall(r"^\| `([A-Z]\w+)` \|", row)}


@pytest.mark.parametrize("code", [*ErrorCode, *get_args(FailureCode)])
def test_every_code_is_there(code: str) -> None:
    assert f"`{code}`" in TEXT


@pytest.mark.parametrize("model", [each.model for each in school.commands], ids=school.types)
def test_every_field_of_a_command_is_there_and_whether_it_may_be_absent_or_null(
    model: type[AnyCommand],
) -> None:
    row = ROWS[model.__name__]
    for name, field in model.model_fields.items():
        if name in ENVELOPE:
            continue
        mark = "??" if name in model.NULLABLE else "" if field.is_required() else "?"
        said = re.search(rf"`{name}`(?: \([^)]*\))?(\?*)", row)
        assert said is not None, name
        assert said[1] == mark, name


def test_every_command_is_said_to_be_an_owners_or_a_services() -> None:
    section = TEXT.partition("## Whose commands")[2].partition("\n## ")[0]
    rows = [row for row in section.splitlines() if row.startswith("| `")]
    assert sorted(
        name for row in rows for name in re.findall(r"`([A-Z]\w+)`", row.split("|")[1])
    ) == (sorted(school.types))
