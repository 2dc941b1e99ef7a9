"""What is said of topics where Kafka leaves something open."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from confluent_kafka import KafkaError, KafkaException
from pydantic import SecretStr

from outbox_worker.errors import ServerError
from outbox_worker.kafka import admin
from outbox_worker.kafka.admin import Permission
from outbox_worker.relay import topics as product
from outbox_worker.relay.kafka_status import KafkaStatus
from outbox_worker.relay.leaders import Leaders
from outbox_worker.relay.topics import Topics
from outbox_worker.settings import Settings

if TYPE_CHECKING:
    from outbox_worker.relay.group import Group

REFUSED = KafkaError.TOPIC_AUTHORIZATION_FAILED
AWAY = KafkaError(KafkaError._TRANSPORT)


class Member:
    """A member of the group whose broker knows every topic, or is away."""

    def __init__(self) -> None:
        self.complaints = KafkaStatus("group")
        self.leaders = Leaders()
        self.is_away = False
        self.asked: list[str] = []

    def topic_fault(self, topic: str) -> KafkaError | None:
        if self.is_away:
            raise KafkaException(AWAY)
        self.asked.append(topic)
        return None


@pytest.fixture
def member() -> Member:
    return Member()


@pytest.fixture
def topics(member: Member) -> Topics:
    settings = Settings(
        database_url=SecretStr("postgresql://h/d"), kafka_bootstrap_servers="127.0.0.1:1"
    )
    return Topics(settings, cast("Group", member))


def test_a_refusal_that_kafka_does_not_explain_is_said_with_the_right_that_it_takes(
    topics: Topics,
    member: Member,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(product, "ask_permission", lambda *_: Permission.UNKNOWN)
    for _ in range(3):
        assert topics.blame(REFUSED, {"orders"})
        assert topics.closed({"orders"}) == {}
        assert "orders" in member.complaints.text
    said = [line for line in capsys.readouterr().out.splitlines() if "kafka_refuses" in line]
    assert len(said) == 1
    assert "--operation Describe --operation Write --topic orders" in said[0]
    member.complaints.settle("transaction")
    assert member.complaints.text == ""


def test_topics_that_are_known_say_nothing_of_a_broker_that_was_away(
    topics: Topics, member: Member
) -> None:
    assert topics.closed({"known"}) == {}
    member.is_away = True
    with pytest.raises(ServerError):
        topics.closed({"other"})
    assert topics.closed({"known"}) == {}
    assert "topics" in member.complaints
    member.is_away = False
    assert topics.closed({"other"}) == {}
    assert "topics" not in member.complaints
    assert member.asked == ["known", "other"]


def test_a_name_that_collides_with_another_topics_is_not_said_to_be_made_by_hand() -> None:
    """Kafka's metrics write `.` as `_`, so that it refuses the second one to everybody."""
    fault = KafkaError(KafkaError.TOPIC_EXCEPTION, "Topic 'a_b' collides with existing topic: a.b")
    said = admin.not_made(fault, "a_b", 3)
    assert "a.b" in said.message
    assert "--create" not in said.hint
    assert "another topic" in said.hint
