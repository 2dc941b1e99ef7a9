"""Commands as a Python service makes them: frozen, and never wrong."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from outbox_school import commands
from outbox_school.commands import CreateClass, CreateStudent, UpdateStudent
from outbox_school.school import school
from tests.domain.payloads import ID, NAMES


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "", "course_codes": ["SV1"]},
        {"name": "9B", "course_codes": []},
        {"name": "9B", "course_codes": ["SV1"], "colour": "red"},
        {"name": "9B", "course_codes": ["SV1"], "class_id": None},
        {"name": "\ud800", "course_codes": ["SV1"]},
        {"name": "a\u0000", "course_codes": ["SV1"]},
        {"name": "9B", "course_codes": ["\ud800"]},
    ],
)
def test_a_python_service_cannot_make_a_wrong_command(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CreateClass.model_validate({"actor": "anna", **fields})


def test_half_a_surrogate_pair_is_refused_wherever_python_gives_it() -> None:
    for name in ("first_name", "last_name", "legal_full_name", "email"):
        with pytest.raises(ValidationError) as raised:
            CreateStudent.model_validate({"actor": "anna", **NAMES, name: "\ud800@skola.se"})
        assert raised.value.errors()[0]["loc"] == (name,)
    with pytest.raises(ValidationError):
        UpdateStudent.model_validate({"actor": "\ud800", "student_id": ID, "first_name": "Ada"})


def test_commands_cannot_be_changed() -> None:
    command = CreateClass(actor="anna", name="9B", course_codes=["SV1"])
    with pytest.raises(ValidationError):
        setattr(command, "actor", "bo")  # noqa: B010  the type checker would see it


def test_every_model_of_a_command_refuses_what_it_does_not_know() -> None:
    models = [
        each
        for each in vars(commands).values()
        if isinstance(each, type) and issubclass(each, BaseModel) and each is not BaseModel
    ]
    assert len(models) > len(school.types)
    assert all(each.model_config.get("extra") == "forbid" for each in models)
    assert all(each.model_config.get("frozen") for each in models)
