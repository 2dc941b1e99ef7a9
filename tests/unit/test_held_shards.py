"""Shards that wait for the same remedy are logged in one line, which names them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from structlog.testing import capture_logs

from outbox_worker.position.snapshot import NOTHING
from outbox_worker.relay.cohorts import Cohort, HeldEvent, Stand
from outbox_worker.relay.held_shards import AGAIN_S, FIRST_S, MORE_S, HeldShards

if TYPE_CHECKING:
    from collections.abc import Iterable

STEP_S: Final = 0.05


class Log:
    """What is logged as time goes by."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.lines: list[Any] = []
        self._held = HeldShards(lambda: self.now)

    def look(self, cohorts: Iterable[Cohort], seconds: float) -> list[list[int]]:
        """Look at these cohorts for so long; the shards of each line that came."""
        waiting, until, before = list(cohorts), self.now + seconds, len(self.lines)
        with capture_logs() as lines:
            while self.now < until:
                self.now += STEP_S
                self._held.look(waiting)
        self.lines += lines
        return [line["shards"] for line in self.lines[before:]]


def waits(shard: int, topic: str = "gone", hint: str = "create it") -> Cohort:
    """A shard that waits for its event `100 - shard`."""
    event = HeldEvent(100 - shard, f"event-{shard}", topic, f"reason {shard}", hint)
    return Cohort({shard: Stand(NOTHING, 0, 0)}, holds=1, hold=event)


def test_a_missing_topic_that_holds_all_shards_is_one_line_which_names_the_oldest_event() -> None:
    log = Log()
    assert log.look(map(waits, range(3)), FIRST_S / 2) == []
    assert log.look(map(waits, range(16)), 1) == [[*range(16)]]
    (line,) = log.lines
    assert line == {
        "event": "shard_held",
        "log_level": "error",
        "shards": [*range(16)],
        "shard": 15,
        "id": 85,
        "event_id": "event-15",
        "topic": "gone",
        "reason": "reason 15",
        "hint": "create it",
    }
    assert log.look(map(waits, range(16)), AGAIN_S + 1) == [[*range(16)]]


def test_a_shard_that_comes_later_is_named_soon_and_one_that_goes_is_not_named_again() -> None:
    log = Log()
    assert log.look([waits(1)], 1) == [[1]]
    assert log.look([waits(1), waits(2)], MORE_S) == [[1, 2]]
    assert log.look([waits(2)], AGAIN_S + 1) == [[2]]


def test_what_is_over_at_once_is_no_line_and_what_comes_back_is_a_new_one() -> None:
    log = Log()
    flows = Cohort({1: Stand(NOTHING, 0, 0)})
    assert log.look([waits(1)], FIRST_S / 2) == []
    assert log.look([flows], 1) == []
    assert log.look([waits(1)], 1) == [[1]]
    assert log.look([flows], 1) == []
    assert log.look([waits(1)], 1) == [[1]]


def test_another_topic_or_another_remedy_has_a_line_of_its_own() -> None:
    log = Log()
    others = [waits(1), waits(2, topic="other"), waits(3, hint="grant it"), waits(4)]
    assert log.look(others, 1) == [[1, 4], [2], [3]]
