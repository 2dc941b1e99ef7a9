"""A loop of the daemon: it lives while it rests, and a failure in it is logged and ends it well."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import psycopg
import pytest
from structlog.testing import capture_logs

from outbox_worker import daemon
from outbox_worker.daemon import Loop
from outbox_worker.errors import ServerError, SettingsError, WorkFailedError
from outbox_worker.logs.safe_text import HIDDEN
from outbox_worker.observe import health as healths
from outbox_worker.observe.health import Health

if TYPE_CHECKING:
    from collections.abc import Callable

WAIT_S = 60.0


def played(step: Callable[[], float], end: Callable[[], None] = lambda: None) -> Loop:
    """A loop that has run to its end."""
    loop = Loop("work", step, end, Health(), threading.Event())
    loop.start()
    loop.join(WAIT_S)
    assert not loop.is_alive()
    return loop


def wait(event: threading.Event) -> None:
    event.wait(WAIT_S)


def failing(error: Exception) -> Callable[[], float]:
    def step() -> float:
        raise error

    return step


def test_a_loop_that_fails_is_ended_like_one_that_is_stopped() -> None:
    ended = []
    loop = played(failing(SettingsError("another group", "set it")), lambda: ended.append(1))
    assert ended == [1]
    assert str(loop.failure) == "another group. set it"


def test_each_failure_is_logged_and_the_first_is_kept() -> None:
    def end() -> None:
        raise RuntimeError("and the end too")

    with capture_logs() as lines:
        loop = played(failing(ZeroDivisionError("a bug")), end)
    assert isinstance(loop.failure, WorkFailedError)
    assert isinstance(loop.failure.__cause__, ZeroDivisionError)
    assert "a bug" not in str(loop.failure), "its message may hold anything"
    assert [(line["event"], line["loop"], line["error"]) for line in lines] == [
        ("loop_failed", "work", HIDDEN),
        ("loop_failed", "work", HIDDEN),
    ]
    assert isinstance(lines[0]["exc_info"], ZeroDivisionError), "the log has the traceback"


def test_a_loop_that_failed_ends_the_program_although_its_end_waits_for_ever() -> None:
    ended, released = threading.Event(), threading.Event()
    step = failing(SettingsError("another group", "set it"))
    loop = Loop("work", step, lambda: wait(released), Health(), ended)
    loop.start()
    assert ended.wait(WAIT_S / 2)
    assert loop.is_alive(), "its end still waits"
    assert loop.failure is not None
    released.set()
    loop.join(WAIT_S)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (psycopg.OperationalError("gone"), ServerError),
        (psycopg.errors.InsufficientPrivilege("not yours"), ServerError),
        (psycopg.errors.UndefinedColumn("what column"), WorkFailedError),
        (psycopg.errors.DataCorrupted("broken page"), WorkFailedError),
    ],
)
def test_only_a_database_that_is_away_or_refuses_us_ends_like_an_outage(
    error: psycopg.Error, kind: type[Exception]
) -> None:
    assert type(played(failing(error)).failure) is kind


def test_a_loop_that_rests_longer_than_one_may_be_stuck_is_alive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(daemon, "BEAT_S", 0.01)
    health, rests, stopped = Health(), threading.Event(), threading.Event()

    def step() -> float:
        rests.set()
        return 3600.0

    loop = Loop("counts", step, lambda: None, health, stopped)
    loop.start()
    assert rests.wait(WAIT_S)
    beats = {health._beats["counts"]}
    while len(beats) < 5:
        beats.add(health._beats["counts"])
    monkeypatch.setattr(healths, "LIVE_S", 3600.0)
    assert health.stuck() == []
    loop.stopping.set()
    assert stopped.wait(WAIT_S), "a loop that rests ends at once"
