"""Two ids of a worker take turns, others take their place, and each tells whose it is."""

from __future__ import annotations

import pytest

from outbox_worker.relay.ids import Ids, pair_of, worker_of

ALL = ("group.host", "group.host~2", "group.host~3", "group.host~4")


def test_transactions_take_turns_under_two_ids() -> None:
    ids = Ids("group.host")
    assert [ids.take_turns() for _ in range(4)] == [*ALL[:2], *ALL[:2]]
    assert ids.left == set()


@pytest.mark.parametrize("name", ALL)
def test_claims_tell_of_both_ids(name: str) -> None:
    ids = Ids("group.host")
    while ids.owner != name:
        ids.move_on(ids.owner)
    assert pair_of(ids.owner) == ids.pair
    assert {worker_of(each) for each in ids.pair} == {"group.host"}


@pytest.mark.parametrize("turn", [0, 1])
def test_an_id_that_is_stuck_comes_back_last(turn: int) -> None:
    ids = Ids("group.host")
    for _ in range(5):
        stuck = ids.pair[turn]
        ids.move_on(stuck)
        assert stuck in ids.left
        assert not ids.left & set(ids.pair)
        assert ids.take_turns() in ids.pair
        assert ids.pair[0] == ALL[(ALL.index(stuck) + 1) % 4]


@pytest.mark.parametrize("name", ["host", "~2", "host~", "host~1", "host~5", "host~22", "a~b", ""])
def test_a_name_that_is_no_further_id_is_a_worker_of_its_own(name: str) -> None:
    assert worker_of(name) == name
    assert pair_of(name) == (name, f"{name}~2")
