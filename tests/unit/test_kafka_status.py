"""What is wrong with Kafka is said once while it lasts, and what a person can do about it."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError
from structlog.testing import capture_logs

from outbox_worker.kafka import rights
from outbox_worker.kafka.admin import unreachable
from outbox_worker.relay.holds import hint_of
from outbox_worker.relay.kafka_status import KafkaStatus
from outbox_worker.settings import ANCHOR_TOPIC

GROUP_REFUSED = KafkaError.GROUP_AUTHORIZATION_FAILED
TIMED_OUT = KafkaError._TIMED_OUT


def test_what_several_run_into_is_said_once_and_is_over_when_all_are_well() -> None:
    complaints = KafkaStatus("the-group")
    with capture_logs() as lines:
        complaints.note("transaction", GROUP_REFUSED, "GROUP_AUTHORIZATION_FAILED: once")
        complaints.note("transaction", GROUP_REFUSED, "GROUP_AUTHORIZATION_FAILED: again")
        complaints.note("membership", GROUP_REFUSED, "GROUP_AUTHORIZATION_FAILED: join")
        complaints.settle("transaction")
        assert complaints.text == "GROUP_AUTHORIZATION_FAILED: join"
        complaints.settle("membership")
        complaints.settle("membership")
    assert [line["event"] for line in lines] == ["kafka_refuses", "kafka_back"]
    assert lines[0]["log_level"] == "error"
    assert "--group the-group" in lines[0]["hint"]
    assert lines[1]["after"] == "GROUP_AUTHORIZATION_FAILED"
    assert lines[1]["seconds"] >= 0
    assert complaints.text == ""


def test_what_returns_is_said_again() -> None:
    complaints = KafkaStatus("the-group")
    with capture_logs() as lines:
        for _ in range(2):
            complaints.note("positions", TIMED_OUT, "_TIMED_OUT: no answer")
            complaints.settle("positions")
    assert [line["event"] for line in lines] == ["kafka_away", "kafka_back"] * 2


def test_only_a_right_is_spoken_of_where_failures_are_usual() -> None:
    complaints = KafkaStatus("the-group")
    with capture_logs() as lines:
        complaints.note_refusal("transaction", KafkaError.ILLEGAL_GENERATION, "stale")
    assert lines == []
    assert "transaction" not in complaints


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            f"--operation Describe --operation Read --topic {ANCHOR_TOPIC}",
        ),
        (GROUP_REFUSED, "--operation Describe --operation Read --group mine"),
        (
            KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            "--operation Write --transactional-id mine. --resource-pattern-type prefixed",
        ),
        (KafkaError.SASL_AUTHENTICATION_FAILED, "OUTBOX_KAFKA_PROPERTIES"),
        (KafkaError._AUTHENTICATION, "OUTBOX_KAFKA_PROPERTIES"),
        (KafkaError._ALL_BROKERS_DOWN, "OUTBOX_KAFKA_BOOTSTRAP_SERVERS"),
    ],
)
def test_each_error_has_the_hint_that_fits(code: int, words: str) -> None:
    assert words in rights.hint(code, group="mine")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "--operation Write --topic orders"),
        (KafkaError.MSG_SIZE_TOO_LARGE, "--topic orders --add-config max.message.bytes"),
        (KafkaError.INVALID_RECORD, "compacted"),
        (KafkaError.INVALID_TIMESTAMP, "OUTBOX_TIMESTAMP=publish"),
    ],
)
def test_each_refusal_of_a_record_has_the_hint_that_fits(code: int, words: str) -> None:
    assert words in hint_of(code, "orders")


def test_a_topic_that_we_may_not_read_is_named() -> None:
    error = unreachable(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), "orders")
    assert "--operation Read --topic orders" in error.hint


def test_nobody_is_told_to_grant_a_right_on_a_topic_of_kafkas_own() -> None:
    said = hint_of(KafkaError.TOPIC_AUTHORIZATION_FAILED, "__consumer_offsets")
    assert "--operation" not in said
    assert "grant nothing" in said
