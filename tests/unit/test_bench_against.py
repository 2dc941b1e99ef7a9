"""What `make bench AGAINST=...` makes of its rounds."""

from __future__ import annotations

from bench.against import Compared, compare
from bench.versions import HERE, Version

RATE = ("b", "drain")


def test_the_ratio_is_taken_within_a_round() -> None:
    other = Version("old", "outbox-worker")
    # The machine was ten times as slow in the second round, for both.
    found = {
        HERE: [{RATE: 200.0}, {RATE: 20.0}, {RATE: 90.0}],
        other: [{RATE: 100.0}, {RATE: 10.0}, {RATE: 100.0}],
    }
    assert compare(found) == [Compared("b", "drain", "old", 90.0, 100.0, 2.0, 0.9, 2.0)]
