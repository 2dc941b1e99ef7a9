"""Which refused events are parked, by the rules of OUTBOX_ON_REFUSED."""

from __future__ import annotations

import pytest

from outbox_worker.errors import SettingsError
from outbox_worker.relay.park_policy import ParkPolicy
from outbox_worker.settings import load


@pytest.mark.parametrize(
    ("rules", "topic", "parks"),
    [
        ("block", "orders.new", False),
        ("park", "orders.new", True),
        ("park:orders.*,block", "orders.new", True),
        ("park:orders.*,block", "notes", False),
        ("park:orders.*", "notes", False),
        ("block:orders.*, park", "orders.new", False),
        ("block:orders.*, park", "notes", True),
        ("park:orders.*", "ordersXnew", False),
    ],
)
def test_the_first_rule_that_fits_counts_and_without_one_an_event_blocks(
    rules: str, topic: str, *, parks: bool
) -> None:
    assert ParkPolicy(rules).parks(topic) is parks


@pytest.mark.parametrize("rules", ["", "drop", "park:", "park:a b", "park,,block"])
def test_other_rules_are_refused(monkeypatch: pytest.MonkeyPatch, rules: str) -> None:
    monkeypatch.setenv("OUTBOX_ON_REFUSED", rules)
    with pytest.raises(SettingsError, match="OUTBOX_ON_REFUSED"):
        load()
