"""The gauges of dead letters say what the last count said, and nothing once that is too old."""

from __future__ import annotations

import math

from prometheus_client import CollectorRegistry

from outbox_worker.observe.dead_letters import UNKNOWN_AFTER_S, DeadLetterNumbers

NAME = "outbox_dead_letters"
AGE = "outbox_dead_letter_oldest_age_seconds"


def test_a_count_is_shown_until_it_is_too_old() -> None:
    now = 0.0
    numbers = DeadLetterNumbers(lambda: now)
    registry = CollectorRegistry()
    registry.register(numbers)
    assert math.isnan(registry.get_sample_value(AGE) or 0.0)
    numbers.keep({"orders": 3, None: 2}, 60.0)
    assert registry.get_sample_value(NAME, {"topic": "orders"}) == 3
    assert registry.get_sample_value(NAME, {"topic": "other"}) == 2
    assert registry.get_sample_value(AGE) == 60
    now = UNKNOWN_AFTER_S + 1
    assert registry.get_sample_value(NAME, {"topic": "orders"}) is None
    assert math.isnan(registry.get_sample_value(AGE) or 0.0)
    numbers.keep({}, 0.0)
    assert registry.get_sample_value(NAME, {"topic": "orders"}) is None
    assert registry.get_sample_value(AGE) == 0
