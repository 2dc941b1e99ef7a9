"""`compare`, on which all these tests rely, notices each kind of fault in the delivery."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.harness.control import ROUND_S, Round
from tests.harness.delivery import Differences, Row, compare, longest_gaps
from tests.harness.subscriber import Received

HISTORY = [("a", "k", 1), ("b", "k", 2), ("c", "m", 1), ("d", None, 1)]


def payload(number: int) -> bytes:
    return json.dumps({"n": number}).encode()


@pytest.fixture
def rows() -> dict[str, Row]:
    return {
        event_id: Row(n, event_id, n % 2, "t", key, payload(number), n, n)
        for n, (event_id, key, number) in enumerate(HISTORY)
    }


@pytest.fixture
def received() -> list[Received]:
    return [
        Received("t", 0, offset, key, event_id, payload(number), (), float(offset))
        for offset, (event_id, key, number) in enumerate(HISTORY)
    ]


def test_all_promises_kept(rows: dict[str, Row], received: list[Received]) -> None:
    assert compare(rows, received).empty


def test_a_lost_event_is_noticed(rows: dict[str, Row], received: list[Received]) -> None:
    assert compare(rows, received[1:]) == Differences(("a",), (), (), (), ())


def test_an_event_read_twice_is_noticed(rows: dict[str, Row], received: list[Received]) -> None:
    again = replace(received[3], offset=9)
    assert compare(rows, [*received, again]) == Differences((), ("d",), (), (), ())


def test_an_event_that_was_rolled_back_is_noticed(
    rows: dict[str, Row], received: list[Received]
) -> None:
    ghost = replace(received[3], event_id="ghost", offset=9)
    assert compare(rows, [*received, ghost]) == Differences((), (), ("ghost",), (), ())
    assert compare(rows, [*received, ghost], excused={"ghost"}).empty


def test_a_changed_payload_is_noticed(rows: dict[str, Row], received: list[Received]) -> None:
    received[0] = replace(received[0], value=b"{}")
    assert compare(rows, received).changed == ("a",)


def test_events_of_a_key_in_the_wrong_order_are_noticed(
    rows: dict[str, Row], received: list[Received]
) -> None:
    received[0], received[1] = replace(received[0], offset=1), replace(received[1], offset=0)
    differences = compare(rows, received)
    assert len(differences.out_of_order) == 1
    assert not differences.empty
    assert "out of order: 1" in str(differences)


def test_a_counter_that_does_not_rise_is_noticed(
    rows: dict[str, Row], received: list[Received]
) -> None:
    # Ids say that `a` came first, the row lock says that `b` did.
    rows["a"], rows["b"] = (
        replace(rows["a"], payload=payload(2)),
        replace(rows["b"], payload=payload(1)),
    )
    received[0] = replace(received[0], value=payload(2))
    received[1] = replace(received[1], value=payload(1))
    assert len(compare(rows, received).out_of_order) == 1


@pytest.mark.parametrize(
    ("xid", "horizon", "faults"),
    [(1, 0, 0), (1, 1, 1), (0, 0, 1)],
    ids=["side by side", "one after the other", "in one transaction"],
)
def test_what_was_not_written_one_after_the_other_may_come_in_any_order(
    rows: dict[str, Row], received: list[Received], xid: int, horizon: int, faults: int
) -> None:
    rows["b"] = replace(rows["b"], xid=xid, horizon=horizon)
    received[0], received[1] = replace(received[0], offset=1), replace(received[1], offset=0)
    assert len(compare(rows, received, serial=False).out_of_order) == faults


def test_a_key_in_two_partitions_is_noticed(rows: dict[str, Row], received: list[Received]) -> None:
    received[1] = replace(received[1], partition=1)
    assert compare(rows, received).out_of_order == ("t/k: in several partitions",)


def test_the_longest_gap_is_counted_from_the_beginning_and_to_the_end(
    rows: dict[str, Row], received: list[Received]
) -> None:
    # Shard 0 is heard at 0 and 2, shard 1 at 1 and 3.
    assert longest_gaps(rows, received, 0.0, 7.0) == {0: 5.0, 1: 4.0}


def test_what_the_machine_lost_is_no_part_of_a_gap(
    rows: dict[str, Row], received: list[Received]
) -> None:
    still = Round(2.0, 6.0)
    gaps = longest_gaps(rows, received, 0.0, 7.0, still.lost)
    assert gaps == {0: pytest.approx(2.0, abs=ROUND_S), 1: pytest.approx(1.0, abs=ROUND_S)}
