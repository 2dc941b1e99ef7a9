"""A command that prints a password: asked when it has to be, and never repeated to anybody."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from outbox_worker import settings
from outbox_worker.errors import ServerError, SettingsError
from outbox_worker.postgres import credentials
from outbox_worker.postgres.credentials import PasswordCommand

if TYPE_CHECKING:
    from pathlib import Path


def python(code: str) -> str:
    """A command that runs this."""
    return shlex.join([sys.executable, "-c", code])


def counting(file: Path) -> str:
    """A command that prints how often it ran."""
    return python(
        f"p = {str(file)!r}; n = len(open(p, 'a+').read()); f = open(p, 'a+'); f.write('x'); "
        "f.seek(0); print('password', f.seek(0, 2))"
    )


def test_a_password_is_kept_for_the_connections_that_follow(tmp_path: Path) -> None:
    source = PasswordCommand(counting(tmp_path / "runs"))
    assert [source.password() for _ in range(3)] == ["password 1"] * 3


def test_a_password_of_which_no_connection_came_is_asked_for_again(tmp_path: Path) -> None:
    source = PasswordCommand(counting(tmp_path / "runs"))
    assert source.password() == "password 1"
    source.forget()
    assert source.password() == "password 2"


def test_a_password_is_not_kept_longer_than_it_may_be_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "KEPT_S", 0.0)
    source = PasswordCommand(counting(tmp_path / "runs"))
    assert [source.password(), source.password()] == ["password 1", "password 2"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("print('s3cret'); raise SystemExit(7)", "exit code 7"),
        ("import sys; sys.stderr.write('s3cret'); sys.exit(1)", "exit code 1"),
        ("print('s3cret'); print('s3cret')", "one line"),
        ("pass", "one line"),
        ("print()", "one line"),
        ("import time; print('s3cret', flush=True); time.sleep(60)", "did not end"),
    ],
)
def test_a_command_that_prints_no_password_is_named_without_what_it_said(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    code: str,
    words: str,
) -> None:
    if "sleep" in code:
        monkeypatch.setattr(credentials, "COMMAND_S", 2.0)
    with pytest.raises(ServerError, match=words) as raised:
        PasswordCommand(python(code)).password()
    assert sys.executable in str(raised.value)
    assert "s3cret" not in str(raised.value)
    assert raised.value.__cause__ is None
    shown = capfd.readouterr()
    assert "s3cret" not in shown.out + shown.err


def test_a_command_that_is_gone_is_named() -> None:
    with pytest.raises(ServerError, match="/nonexistent/token"):
        PasswordCommand("/nonexistent/token --for worker").password()


@pytest.mark.parametrize("value", ["/nonexistent/token", "  ", "'no end"])
def test_a_setting_that_names_no_program_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("OUTBOX_DATABASE_PASSWORD_COMMAND", value)
    with pytest.raises(SettingsError, match="OUTBOX_DATABASE_PASSWORD_COMMAND"):
        settings.load()
