"""Who is read with whom, and who next."""

from __future__ import annotations

from outbox_worker.position.snapshot import Snapshot
from outbox_worker.relay.cohorts import Cohort, Cohorts, Stand

HERE, THERE, FAR = Snapshot(5, 5), Snapshot(9, 9), Snapshot(20, 20)


def tail(*shards: int, seen: Snapshot = HERE, floor: int = 0) -> Cohort:
    return Cohort(dict.fromkeys(shards, Stand(seen, floor, floor)))


def backlog(*shards: int, upper: Snapshot = FAR) -> Cohort:
    return Cohort(dict.fromkeys(shards, Stand(HERE, 0, 0)), upper)


def shards(cohorts: Cohorts) -> list[list[int]]:
    return [sorted(each.stands) for each in cohorts]


def test_tails_are_read_together_wherever_their_shards_stand() -> None:
    cohorts = Cohorts()
    cohorts.add(tail(1))
    cohorts.add(tail(2, seen=THERE))
    assert shards(cohorts) == [[1, 2]]
    stands = next(iter(cohorts)).stands
    assert (stands[1].seen, stands[2].seen) == (HERE, THERE)


def test_backlogs_are_read_together_when_they_end_at_one_border() -> None:
    cohorts = Cohorts()
    for cohort in (backlog(1), backlog(2, upper=THERE), backlog(3), tail(4)):
        cohorts.add(cohort)
    assert sorted(shards(cohorts)) == [[1, 3], [2], [4]]


def test_the_least_recently_served_is_next_and_a_held_one_waits() -> None:
    first, second = backlog(1), tail(2)
    cohorts = Cohorts([first, second])
    assert cohorts.next(0) == first
    cohorts.moved(first, first.moved_to(FAR, 10))
    assert cohorts.next(0) == second
    held = Cohort(second.stands, FAR, held_until=100.0, holds=1)
    cohorts.part(second, held)
    assert cohorts.next(50) != held
    assert cohorts.held == 1
    cohorts.moved(first.moved_to(FAR, 10), tail(1))
    assert cohorts.next(100) == held


def test_a_finished_backlog_joins_the_tail_with_the_highest_floor() -> None:
    cohorts = Cohorts([backlog(1), tail(2, seen=THERE, floor=7)])
    done = backlog(1).caught_up(FAR, 40)
    cohorts.moved(backlog(1), done)
    assert shards(cohorts) == [[1, 2]]
    both = next(iter(cohorts))
    assert both.stands[1] == Stand(FAR, 40, 40)
    assert both.caught_up(FAR, 0).stands[2].floor == 40


def test_a_cursor_never_goes_back() -> None:
    stands = {1: Stand(HERE, 0, 50), 2: Stand(HERE, 0, 0)}
    moved = Cohort(stands, FAR).moved_to(FAR, 30)
    assert (moved.stands[1].cursor, moved.stands[2].cursor) == (50, 30)


def test_dropped_shards_are_gone_and_so_are_empty_cohorts() -> None:
    cohorts = Cohorts([backlog(1), tail(2, 3)])
    cohorts.drop([1, 2])
    assert shards(cohorts) == [[3]]


def test_a_copy_moves_alone() -> None:
    cohorts = Cohorts([tail(1)])
    copy = cohorts.copy()
    copy.moved(tail(1), backlog(1))
    assert not cohorts.behind(0)
    assert copy.behind(0)
