"""No history loses, repeats or reorders an event; without any one rule, some history does."""

from __future__ import annotations

import os

import pytest

from tests.harness.waiting import patient
from tests.model.history import History, play
from tests.model.many import play_many
from tests.model.rules import RULES, one_witness
from tests.model.statements import simulated

HISTORIES = int(os.environ.get("OUTBOX_MODEL_HISTORIES", "6000"))
SEED = int(os.environ.get("OUTBOX_MODEL_SEED", "1"))

NOTICED_WITHIN = 20_000
"""Histories in which the absence of a rule must show; most show in the first hundred."""


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("lossy", [False, True], ids=["crashes", "lossy_failovers"])
def test_no_event_is_lost_repeated_or_out_of_order(lossy: bool) -> None:
    tally = play_many(HISTORIES // 2, SEED, lossy=lossy)
    assert tally.faults == []
    assert tally.histories == HISTORIES // 2
    assert tally.published > tally.histories


@pytest.mark.timeout(patient(600))
@pytest.mark.parametrize("name", RULES)
def test_each_rule_is_needed(name: str) -> None:
    rule = RULES[name]
    with simulated(), rule.switch():
        noticed = (play(seed, lossy=rule.lossy).fault for seed in range(NOTICED_WITHIN))
        assert any(noticed)


def reused_id() -> History:
    """A fail-over keeps the published row with the highest xid, not the one with the highest id.

    Then a new transaction gets both a xid that the border of the backlog shows and
    an id below its cursor.
    """
    history = History(0, lossy=True, shards=1, rows=2, ahead=0, trouble=0.0)
    postgres = history.postgres
    early, late, third = postgres.begin(), postgres.begin(), postgres.begin()
    postgres.take_xid(early)
    postgres.insert(late, 0)
    postgres.take_xid(third)
    postgres.end(late, commit=True)
    kept = postgres.wal_length()
    postgres.insert(early, 1)
    postgres.end(early, commit=True)
    postgres.insert(third, 2)
    postgres.end(third, commit=True)
    while len(history.kafka.log) < 2:
        history.work(history.workers[0])
        history.work(history.workers[1])
    postgres.fail_over(kept)
    again = postgres.begin()
    postgres.insert(again, 0)
    postgres.end(again, commit=True)
    return history


def test_two_witnesses_are_needed() -> None:
    with simulated():
        assert reused_id().finish().refused
        with one_witness():
            assert reused_id().finish().fault.startswith("lost")
