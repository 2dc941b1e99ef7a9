"""Pauses, deadlines and outages: what their owners rely on."""

from __future__ import annotations

from unittest import mock

import pytest

from outbox_worker.timing import deadline as deadlines
from outbox_worker.timing import outage as outages
from outbox_worker.timing.backoff import Backoff
from outbox_worker.timing.deadline import Deadline
from outbox_worker.timing.outage import LASTS_S, MOST_CAUSES, Outage, Over


class Clock:
    """Monotonic seconds that a test sets."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    for module in (deadlines, outages):
        monkeypatch.setattr(module, "time", found)
    return found


def test_pauses_double_up_to_the_longest_and_are_spread() -> None:
    backoff = Backoff(0.1, 1.0)
    for most in (0.1, 0.2, 0.4, 0.8, 1.0, 1.0):
        assert most / 2 <= backoff.next() <= most
    backoff.reset()
    assert backoff.next() <= 0.1
    others = [Backoff(1.0, 1.0).next() for _ in range(20)]
    assert len(set(others)) > 10, "those that stopped together come back apart"


def test_pauses_stay_bounded_however_often_it_failed() -> None:
    backoff = Backoff()
    assert max(backoff.next() for _ in range(5_000)) <= 5.0


def test_a_deadline_says_what_is_left(clock: Clock) -> None:
    deadline = Deadline(10.0)
    assert (deadline.left, deadline.passed) == (10.0, False)
    clock.now += 9.0
    assert (deadline.left, deadline.passed) == (1.0, False)
    clock.now += 2.0
    assert (deadline.left, deadline.passed) == (0.0, True)
    assert Deadline(0.0).passed


def test_a_deadline_that_is_over_grants_no_further_pause(clock: Clock) -> None:
    deadline = Deadline(1.0)
    with mock.patch("threading.Event.wait") as wait:
        assert deadline.pause(0.2)
        wait.assert_called_once_with(0.2)
        clock.now += 1.0
        assert not deadline.pause(0.2)
        wait.assert_called_once()


def test_an_outage_is_said_once_while_it_lasts(clock: Clock) -> None:
    outage = Outage()
    assert outage.end() is None, "nothing was said"
    assert outage.begin(OSError("away\n  for now"))
    assert outage.words == "away for now"
    clock.now += 3_600
    assert not outage.begin(OSError("away for now"))
    clock.now += 0.26
    assert outage.end() == Over("away for now", 3_600.3)
    assert outage.words == ""
    assert outage.end() is None, "it was said that it is over"
    assert outage.begin("away for now"), "it is another outage"


def test_a_further_cause_of_an_outage_is_said_once_when_it_has_lasted(clock: Clock) -> None:
    outage = Outage()
    assert outage.begin("connection refused")
    assert not outage.begin("starting up"), "a restart is one line"
    clock.now += LASTS_S - 1
    assert not outage.begin("starting up")
    clock.now += 1
    assert outage.begin("starting up")
    assert outage.words == "starting up"
    clock.now += LASTS_S
    assert not outage.begin("starting up")
    assert not outage.begin("connection refused"), "they take turns"
    assert outage.end() == Over("connection refused", 2 * LASTS_S)


def test_a_further_cause_that_no_waiting_mends_is_said_at_once_and_once() -> None:
    outage = Outage()
    assert outage.begin("connection refused")
    assert outage.begin("a broken page", at_once=True)
    assert not outage.begin("a broken page", at_once=True)


def test_causes_that_differ_in_numbers_only_are_one(clock: Clock) -> None:
    outage, said = Outage(), 0
    for number in range(50):
        for _ in range(2):
            said += outage.begin(f"no answer after {number} s")
            clock.now += LASTS_S
    assert said == 1


def test_an_outage_of_ever_another_cause_fills_no_log(clock: Clock) -> None:
    outage, said = Outage(), 0
    for number in range(50):
        cause = f"cause {'x' * number}"
        said += outage.begin(cause)
        clock.now += LASTS_S
        said += outage.begin(cause)
    assert said == MOST_CAUSES


def test_a_cause_that_lasts_is_said_after_many_that_passed(clock: Clock) -> None:
    outage = Outage()
    assert outage.begin("connection refused")
    for number in range(50):
        clock.now += LASTS_S
        assert not outage.begin(f"cause {'x' * number}")
    assert not outage.begin("no password")
    clock.now += LASTS_S
    assert outage.begin("no password")


def test_an_outage_lasts_since_the_try_that_failed_first(clock: Clock) -> None:
    outage = Outage(aloud_after_s=30.0)
    clock.now += 60.0
    assert outage.begin("statement time-out", tried_at=clock.now - 60.0)
    assert outage.end() == Over("statement time-out", 60.0)


def test_an_outage_that_passes_by_itself_is_not_said(clock: Clock) -> None:
    outage = Outage(aloud_after_s=60.0)
    assert not outage.begin("away")
    clock.now += 59.0
    assert not outage.begin("away")
    assert outage.end() is None
    assert not outage.begin("away")
    clock.now += 60.0
    assert outage.begin("away")
    assert outage.end() == Over("away", 60.0)
    assert outage.begin("a fault of the program", at_once=True)
