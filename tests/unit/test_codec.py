"""The form of a position tells which workers may read it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from outbox_worker.errors import SchemaVersionError
from outbox_worker.position.codec import decode, encode
from outbox_worker.position.position import Position, Witness
from outbox_worker.position.snapshot import Snapshot

SHORT = Position(b"abcd", "me", Snapshot(5, 9, (5, 7)), None, 3, Witness(8, 4, b"123456"))
LONG = replace(SHORT, seen=Snapshot(5, 9_000, tuple(range(5, 8_999, 7))))


@pytest.mark.parametrize(("position", "form"), [(SHORT, "1"), (LONG, "2")])
def test_a_position_without_dead_letters_is_one_that_older_workers_read(
    position: Position, form: str
) -> None:
    assert encode(replace(position, last=position.top)).startswith(form)


@pytest.mark.parametrize(("position", "form"), [(SHORT, "4"), (LONG, "5")])
@pytest.mark.parametrize("ledger", [1, 2**40])
def test_a_position_that_rests_on_the_ledger_is_one_that_older_workers_refuse(
    position: Position, form: str, ledger: int
) -> None:
    given = replace(position, last=position.top, ledger=ledger)
    text = encode(given)
    assert text.startswith(form)
    assert decode(text) == given


def test_a_form_of_tomorrow_is_refused() -> None:
    with pytest.raises(SchemaVersionError):
        decode("6AAAA")
