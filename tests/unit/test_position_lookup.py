"""Whom Kafka is asked for first."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, cast

import pytest

from outbox_worker.position.position import Position
from outbox_worker.published.committed import CommittedPosition
from outbox_worker.relay import position_lookup as product
from outbox_worker.relay.kafka_status import KafkaStatus
from outbox_worker.relay.position_lookup import PositionLookup
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from outbox_worker.relay.takeover import Takeover


DEAD = frozenset({8, 9})
"""Shards whose last owner left something open."""


class SlowToFence:
    """Kafka, where a question about the shards of a dead owner is answered once it is let go."""

    def __init__(self) -> None:
        self.asked: list[frozenset[int]] = []
        self.renewed = 0
        self.fenced = threading.Event()

    def lookup(self, shards: Iterable[int]) -> dict[int, CommittedPosition]:
        wanted = frozenset(shards)
        self.asked.append(wanted)
        if wanted & DEAD:
            self.fenced.wait(60)
        return {shard: CommittedPosition(1, Position(b"", "us")) for shard in wanted}

    def start_over(self) -> None:
        self.renewed += 1

    def close(self) -> None:
        self.fenced.set()


@pytest.fixture
def kafka() -> SlowToFence:
    return SlowToFence()


@pytest.fixture
def lookups(kafka: SlowToFence) -> Iterator[PositionLookup]:
    found = PositionLookup(cast("Takeover", kafka))
    yield found
    kafka.fenced.set()
    found.close()


def collect(lookups: PositionLookup, shards: set[int]) -> None:
    """Until all of these are answered."""
    answered: set[int] = set()
    complaints = KafkaStatus("group")

    def all_are() -> bool:
        answered.update(lookups.collect(complaints))
        return answered >= shards

    wait_until(all_are, 10, f"{shards} are answered")
    assert answered == shards


def test_shards_that_were_served_do_not_wait_for_those_of_a_dead_owner(
    kafka: SlowToFence, lookups: PositionLookup
) -> None:
    lookups.want_again({0, 1})
    lookups.want(DEAD)
    collect(lookups, {0, 1})
    kafka.fenced.set()
    collect(lookups, set(DEAD))
    assert kafka.asked == [{0, 1}, DEAD]


def test_an_answer_that_came_too_late_does_not_count(
    kafka: SlowToFence, lookups: PositionLookup
) -> None:
    lookups.want(DEAD)
    complaints = KafkaStatus("group")
    lookups.collect(complaints)
    wait_until(lambda: kafka.asked, 10, "Kafka is asked")
    lookups.want_again({8})
    lookups.drop({9})
    kafka.fenced.set()
    collect(lookups, {8})
    assert kafka.asked == [DEAD, {8}]


def test_a_question_that_does_not_end_is_given_up_and_asked_anew(
    kafka: SlowToFence, lookups: PositionLookup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "ANSWER_S", 0.1)
    complaints = KafkaStatus("group")
    lookups.want(DEAD)
    wait_until(lambda: lookups.collect(complaints) or kafka.renewed, 10, "it is given up")
    assert "positions" in complaints
    assert "NO_ANSWER" in complaints.text
    monkeypatch.setattr(product, "ANSWER_S", 60.0)
    kafka.fenced.set()
    collect(lookups, set(DEAD))
    assert kafka.asked[:2] == [DEAD, DEAD]
