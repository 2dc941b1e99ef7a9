"""The control sees a machine that stands still, and nothing on one that continues."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import pytest

from outbox_worker.postgres import database as connections
from tests.harness.control import PAUSE_S, ROUND_S, Control, Round
from tests.harness.machine_pauses import Calm

if TYPE_CHECKING:
    from outbox_worker.stores import Connection

STILL_S: Final = 3.0
LOCK: Final = "LOCK TABLE public.control"
HOLD: Final = "SELECT pg_sleep(%s)"


def control_of(*rounds: Round) -> Control:
    control = Control("")
    control._rounds.extend(rounds)
    return control


def test_what_holds_up_a_commit_is_lost(connection: Connection, database: str) -> None:
    with Control(database) as control:
        since = time.monotonic()
        with connections.connect(database, application="other") as other, other.transaction():
            other.execute(LOCK)
            connection.execute(HOLD, (STILL_S,))
        until = time.monotonic()
        least = STILL_S - 2 * ROUND_S
        assert least < control.stood_still(since, until) <= control.lost(since, until)
        assert control.lost(since, until) < until - since
        assert control.stretched(PAUSE_S, since, until) > least


def test_a_machine_that_goes_on_loses_nothing() -> None:
    control = control_of(*(Round(n * 0.025, (n + 1) * 0.025) for n in range(100)))
    assert control.lost(0.0, 2.5) == 0
    assert control.stood_still(0.0, 2.5) == 0
    assert control.stretched(1.0, 0.0, 2.5) == pytest.approx(1.0)


def test_only_what_was_lost_between_two_moments_counts() -> None:
    control = control_of(Round(0.0, 0.03), Round(0.03, 3.03), Round(3.03, 3.06), Round(3.06, 3.1))
    assert control.lost(0.0, 3.06) == pytest.approx(3.0 - ROUND_S)
    assert control.lost(1.03, 2.03) == pytest.approx(1.0, abs=ROUND_S)
    assert control.stretched(0.06, 0.0, 3.1) == pytest.approx(3.03)


def test_the_most_that_was_lost_within_some_seconds_is_found() -> None:
    still = [Round(n, n + 1.0) for n in (0.0, 10.0, 13.0, 15.0, 40.0)]
    going = [Round(one.ended, two.began) for one, two in pairwise(still)]
    calm = [
        Round(began + n * ROUND_S, began + (n + 1) * ROUND_S)
        for began, ended in going
        for n in range(round((ended - began) / ROUND_S))
    ]
    control = control_of(*sorted([*still, *calm]))
    assert control.most_lost(6.0, 0.0, 41.0) == pytest.approx(3.0, abs=0.1)
    assert control.most_lost(1.0, 0.0, 41.0) == pytest.approx(1.0, abs=0.1)
    assert control.most_lost(1.0, 2.0, 9.0) == pytest.approx(0.0)


def test_only_a_standstill_explains_what_a_worker_says() -> None:
    now = time.monotonic()
    going = [Round(now - 30 + n * 0.025, now - 30 + (n + 1) * 0.025) for n in range(4_000)]
    standing = [Round(now - 30, now + 70)]
    lines = [{"event": "takeover"}, {"event": "command_failed"}]
    for rounds, left in ((going, lines), (standing, lines[1:])):
        calm = Calm(control_of(*rounds))
        calm._since = now - 20
        assert calm.unexplained(lines) == left
        assert bool(calm) is (rounds is going)


def test_a_control_that_ended_by_itself_excuses_nobody(
    database: str, connection: Connection
) -> None:
    with Control(database) as control:
        since = time.monotonic()
        connection.execute("DROP TABLE public.control")
        with pytest.raises(AssertionError, match="stopped by itself"):
            control.lost(since, time.monotonic() + 5)
