"""Which events keep out of a transaction while partitions have no leader, and where others go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from outbox_worker.relay.leaders import ANY, Leaders, partition_of

if TYPE_CHECKING:
    from outbox_worker.position.row import EventRow

KEYS = [f"key-{n}" for n in range(50)]


def row(number: int, topic: str, key: str | None) -> EventRow:
    return (
        number,
        5,
        0,
        f"{number:012x}",
        topic,
        key,
        "type",
        "text/plain",
        "",
        None,
        b"1",
        1,
        "w",
    )


def test_only_keys_of_a_partition_without_a_leader_are_blocked() -> None:
    leaders = Leaders()
    leaders.note("orders", 4, {2})
    rows = [row(n, topic, key) for n, key in enumerate(KEYS) for topic in ("orders", "notes")]
    blocked = leaders.blocked(rows[::2])
    dead = {n for n, key in enumerate(KEYS) if partition_of(key.encode(), 4) == 2}
    assert dead
    assert blocked == {n: [2] for n in dead}
    assert leaders.blocked(rows[1::2]) == {}


def test_an_event_without_a_key_goes_where_a_leader_is() -> None:
    leaders = Leaders()
    leaders.note("orders", 3, {0, 2})
    assert leaders.blocked([row(1, "orders", None)]) == {}
    assert {leaders.place("orders", None) for _ in range(20)} == {1}
    assert leaders.place("orders", "key") == ANY
    assert leaders.place("notes", None) == ANY


def test_an_event_without_a_key_waits_where_no_partition_has_a_leader() -> None:
    leaders = Leaders()
    leaders.note("orders", 2, {0, 1})
    assert leaders.blocked([row(1, "orders", None)]) == {1: [0, 1]}


def test_nothing_is_lacking_once_the_leaders_are_back_or_the_topic_is_gone() -> None:
    leaders = Leaders()
    leaders.note("orders", 2, {0})
    leaders.note("notes", 2, {1})
    assert leaders.are_lacking
    leaders.note("orders", 2, ())
    leaders.forget("notes")
    assert not leaders.are_lacking


def test_what_lacks_is_logged_when_it_changes_and_its_end_with_cause_and_length() -> None:
    leaders = Leaders()
    with capture_logs() as lines:
        for missing in ({1}, {1}, {1, 2}, set[int]()):
            leaders.note("orders", 4, missing)
        leaders.note("orders", 4, {3})
        leaders.forget("orders")
        leaders.note("orders", 4, ())
    assert [(line["event"], line.get("partitions")) for line in lines] == [
        ("leaders_lost", [1]),
        ("leaders_lost", [1, 2]),
        ("leaders_back", None),
        ("leaders_lost", [3]),
    ]
    assert lines[2]["after"] == "leaders_lost"
    assert 0 <= lines[2]["seconds"] < 60


def test_keys_of_a_partition_with_too_few_replicas_in_sync_are_blocked_and_others_are_not() -> None:
    leaders = Leaders()
    leaders.note("orders", 2, (), {0: 2, 1: 1})
    assert leaders.wants("orders")
    assert not leaders.are_lacking
    leaders.need("orders", 2)
    assert not leaders.wants("orders")
    rows = [row(n, "orders", key) for n, key in enumerate(KEYS)]
    short = {n for n, key in enumerate(KEYS) if partition_of(key.encode(), 2) == 1}
    assert leaders.blocked(rows) == {n: [1] for n in short}
    assert (leaders.needed("orders"), leaders.short) == (2, ["orders"])
    assert {leaders.place("orders", None) for _ in range(20)} == {0}


def test_too_few_replicas_are_over_once_they_follow_or_fewer_are_asked_for() -> None:
    leaders = Leaders()
    for end in ("follow", "fewer", "gone"):
        leaders.note("orders", 2, (), {0: 1})
        leaders.need("orders", 2)
        leaders.ask_anew()
        assert leaders.needed("orders") == 2
        if end == "follow":
            leaders.note("orders", 2, ())
        elif end == "fewer":
            leaders.need("orders", 1)
        else:
            leaders.forget("orders")
        assert not leaders.are_lacking
        leaders.forget("orders")


def test_how_many_replicas_a_topic_needs_is_asked_for_again_after_a_failure() -> None:
    leaders = Leaders()
    leaders.note("orders", 2, (), {0: 1})
    leaders.need("orders", 1)
    assert not leaders.wants("orders")
    leaders.ask_anew()
    assert leaders.wants("orders")
