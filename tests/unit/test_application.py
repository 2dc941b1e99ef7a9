"""The application that the setting names, and what an engine without one does."""

from __future__ import annotations

from uuid import uuid4

import pytest
from pydantic_settings import BaseSettings, SettingsConfigDict

from outbox_school.school import school
from outbox_worker.application import Envelope, Refused
from outbox_worker.application.loading import load, load_settings
from outbox_worker.errors import SettingsError
from outbox_worker.settings import Settings


class Own(BaseSettings):
    """Settings of an application."""

    model_config = SettingsConfigDict(env_prefix="OUTBOX_")
    patience: int = 3


def test_the_school_is_there_where_nothing_else_is_set() -> None:
    assert load(Settings().application) is school


def test_without_an_application_every_command_is_of_an_unknown_type() -> None:
    refused = load("").parse("CreateClass", "{}", Envelope(uuid4(), "anna"))
    assert isinstance(refused, Refused)
    assert refused.code == "UNKNOWN_COMMAND_TYPE"
    assert refused.message == "There is no command of this type; there are none"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no_such_package:application", "cannot be imported: No module named"),
        ("outbox_school.school:no_such", "no_such of outbox_school.school is not there"),
        (
            "outbox_school.school:events",
            "events of outbox_school.school is no Application but module",
        ),
    ],
)
def test_an_application_that_cannot_be_had_is_named(name: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why) as caught:
        load(name)
    assert f"OUTBOX_APPLICATION {name}" in caught.value.message
    assert "module:attribute" in caught.value.hint


def test_a_wrong_setting_of_the_application_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(None) is None
    assert load_settings(Own) == Own(patience=3)
    monkeypatch.setenv("OUTBOX_PATIENCE", "much")
    with pytest.raises(SettingsError, match="OUTBOX_PATIENCE"):
        load_settings(Own)


def test_the_setting_has_the_form_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTBOX_APPLICATION", "outbox_school.school")
    with pytest.raises(ValueError, match="application"):
        Settings()
