"""An event of the table as a CloudEvents record."""

from __future__ import annotations

import json

from outbox_worker.relay.record import Header, headers_of

SOURCE: Header = ("ce_source", "/school")
MOMENT = "2026-01-02T03:04:05.000006Z"


def headers(key: str | None = "k", own: str | None = None) -> list[Header]:
    row = (7, 8, 9, "event-id", "t", key, "made.v1", "application/json", MOMENT, own, b"{}", 2)
    return headers_of(row, SOURCE)


def test_the_headers_are_those_of_the_binding() -> None:
    assert headers() == [
        ("ce_specversion", b"1.0"),
        ("ce_id", "event-id"),
        ("ce_source", "/school"),
        ("ce_type", "made.v1"),
        ("ce_time", MOMENT),
        ("content-type", "application/json"),
        ("ce_subject", "k"),
        ("idempotency-key", "event-id"),
    ]


def test_without_a_key_there_is_no_subject() -> None:
    assert "ce_subject" not in dict(headers(key=None))


def test_the_writers_headers_follow_as_they_are() -> None:
    own = json.dumps({"correlation-id": "c", "n": 1, "none": None, "deep": {"ä": [1]}})
    found = dict(headers(own=own))
    assert found["correlation-id"] == "c"
    assert found["n"] == "1"
    assert found["none"] is None
    assert found["deep"] == '{"ä":[1]}'
    assert found["idempotency-key"] == "event-id"


def test_the_writers_idempotency_key_stands_for_the_events_id() -> None:
    found = headers(own='{"idempotency-key": "mine"}')
    assert [value for name, value in found if name == "idempotency-key"] == ["mine"]
