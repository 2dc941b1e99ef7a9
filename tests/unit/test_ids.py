"""The ids of a worker take turns, and each tells whose it is."""

from __future__ import annotations

import pytest

from outbox_worker.relay.ids import COUNT, Ids, worker_of


def test_an_id_that_is_left_is_remembered_until_it_is_used_again() -> None:
    ids = Ids("group.host")
    seen = [ids.now]
    assert ids.left == set()
    for _ in range(COUNT):
        ids.move_on()
        seen.append(ids.now)
        assert seen[-2] in ids.left
        assert ids.now not in ids.left
    assert seen == ["group.host", "group.host~2", "group.host~3", "group.host~4", "group.host"]
    assert {worker_of(each) for each in seen} == {"group.host"}


@pytest.mark.parametrize("name", ["host", "~2", "host~", "host~1", "host~5", "host~22", "a~b", ""])
def test_a_name_that_is_no_further_id_is_a_worker_of_its_own(name: str) -> None:
    assert worker_of(name) == name
