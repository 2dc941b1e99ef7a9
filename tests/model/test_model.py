"""No history loses, repeats or reorders an event; without any one rule, some history does."""

from __future__ import annotations

import multiprocessing
import os
from itertools import chain
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from outbox_worker.position import codec
from tests.harness.waiting import patient
from tests.model import history
from tests.model.history import History, HistoryResult, run_history
from tests.model.many import run_histories, silence
from tests.model.rules import RULES, one_witness
from tests.model.statements import simulated

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tests.model.postgres import Transaction

HISTORIES = int(os.environ.get("OUTBOX_MODEL_HISTORIES", "6000"))
SEED = int(os.environ.get("OUTBOX_MODEL_SEED", "1"))

LARGEST, ROOM = 53, 8
"""Characters, where a backlog takes 45 without a transaction in progress, and fits with six."""

NOTICED_WITHIN = 20_000
"""Histories in which the absence of a rule must show; most show in the first hundred."""


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("letters", [False, True], ids=["plain", "dead_letters"])
@pytest.mark.parametrize("lossy", [False, True], ids=["crashes", "lossy_failovers"])
def test_no_event_is_lost_repeated_or_out_of_order(lossy: bool, letters: bool) -> None:
    tally = run_histories(HISTORIES // 4, SEED, lossy=lossy, letters=letters)
    assert tally.faults == []
    assert tally.histories == HISTORIES // 4
    assert tally.published > tally.histories


def small_positions() -> AbstractContextManager[object]:
    """Kafka keeps few characters."""
    return mock.patch.multiple(codec, LARGEST=LARGEST, ROOM=ROOM)


def play_crowded(first: int) -> list[tuple[int, str]]:
    """Some histories in which Kafka keeps only short positions; what went wrong in them."""
    silence()
    with simulated(), mock.patch.object(history, "WRITERS", 12), small_positions():
        results = {seed: run_history(seed, lossy=False) for seed in range(first, first + 200)}
    return [(seed, each.fault) for seed, each in results.items() if each.fault]


def test_positions_that_do_not_fit_are_waited_out() -> None:
    with multiprocessing.get_context("fork").Pool() as pool:
        found = pool.map(play_crowded, range(SEED, SEED + HISTORIES // 4, 200))
    assert list(chain.from_iterable(found)) == []


@pytest.mark.timeout(patient(600))
@pytest.mark.parametrize("name", RULES)
def test_each_rule_is_needed(name: str) -> None:
    rule = RULES[name]
    with simulated(), rule.switch():
        seeds = range(rule.first, rule.first + NOTICED_WITHIN)
        histories = (run_history(n, lossy=rule.lossy, letters=rule.letters) for n in seeds)
        assert any(each.fault for each in histories)


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
    while history.kafka.published < 2:
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


def two_crowds() -> History:
    """A shard sees six transactions in progress, and then has a backlog beside six others.

    With its first row the six of what was seen come into its position, beside those of the
    border: too many, for as long as that border is kept.
    """
    crowded = History(0, lossy=False, shards=1, rows=1, trouble=0.0)
    write(crowded)
    work(crowded)
    first = begin(crowded, 6)
    crowded.postgres.draw_xid()
    work(crowded)
    end(crowded, first)
    second = begin(crowded, 6)
    for _ in range(4):
        write(crowded)
    work(crowded)
    assert crowded.kafka.published == 5
    end(crowded, second)
    return crowded


def write(crowded: History) -> None:
    """One committed event."""
    transaction = crowded.postgres.begin()
    crowded.postgres.insert(transaction, 0)
    crowded.postgres.end(transaction, commit=True)


def begin(crowded: History, count: int) -> list[Transaction]:
    """Transactions that have their xids."""
    found = [crowded.postgres.begin() for _ in range(count)]
    for each in found:
        crowded.postgres.take_xid(each)
    return found


def end(crowded: History, transactions: list[Transaction]) -> None:
    """They wrote nothing."""
    for each in transactions:
        crowded.postgres.end(each, commit=True)


def work(crowded: History) -> None:
    """Long enough for all that can be done."""
    for _ in range(20):
        for worker in crowded.workers:
            crowded.work(worker)


def test_a_backlog_that_does_not_fit_goes_on_with_a_border_of_today() -> None:
    with simulated(), small_positions():
        assert two_crowds().finish() == HistoryResult("", refused=False, published=5)
