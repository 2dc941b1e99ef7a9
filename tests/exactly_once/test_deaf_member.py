"""A member of which librdkafka has forgotten the brokers: another one takes its place."""

from __future__ import annotations

import math
import uuid
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException
from pydantic import SecretStr
from structlog.testing import capture_logs
from typing_extensions import override

from outbox_worker.errors import StuckError
from outbox_worker.kafka import anchor
from outbox_worker.kafka.clients import make_admin
from outbox_worker.kafka.config import group_config
from outbox_worker.relay import group as product
from outbox_worker.relay.group import Group
from outbox_worker.settings import SHARDS, Settings
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

pytestmark = pytest.mark.slow

DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN)


class Deafened(Consumer):
    """A member at a real broker that is a client without brokers for whoever asks through it."""

    @override
    def list_topics(self, *_asked: Any, **_more: Any) -> Any:
        raise KafkaException(DOWN)


@pytest.fixture
def member(kafka_bootstrap_servers: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Group]:
    """A member that has all shards, and whose client then knows of no broker any more."""
    settings = Settings(
        database_url=SecretStr("postgresql://h/d"),
        kafka_bootstrap_servers=kafka_bootstrap_servers,
        group=f"deaf-{uuid.uuid4().hex[:8]}",
    )
    anchor.ensure_topic(make_admin(settings))
    monkeypatch.setattr(product, "ASK_AGAIN_S", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(product, "make_consumer", Deafened)
        member = Group(group_config(settings, "worker"))
    member.join()

    def has_all() -> bool:
        member.poll(0.1)
        return len(member.owned) == SHARDS

    wait_until(has_all, 60, "it has all shards")
    yield member
    member.close()


def test_a_member_without_an_answer_gives_way_to_a_new_one(
    member: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "DEAF_S", 0.0)
    member._note_error(DOWN)
    revoked: set[int] = set()
    with capture_logs() as lines:

        def is_back() -> bool:
            revoked.update(member.poll(0.1).revoked)
            return len(member.owned) == SHARDS and "broker" not in member.complaints

        wait_until(is_back, 60, "another member has all shards")
    assert [line["event"] for line in lines].count("client_replaced") == 1
    assert revoked == set(range(SHARDS))
    assert type(member._consumer) is Consumer


def test_a_member_is_not_given_up_before_its_time(
    member: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "DEAF_S", math.inf)
    member._note_error(DOWN)
    for _ in range(20):
        member.poll(0.05)
    assert type(member._consumer) is Deafened
    assert len(member.owned) == SHARDS


def test_a_worker_ends_where_one_member_after_the_other_gets_no_answer(
    member: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "DEAF_S", 0.0)
    monkeypatch.setattr(product, "MOST_REPLACED", 1)
    monkeypatch.setattr(product, "make_consumer", Deafened)

    def told_until_it_ends() -> None:
        for _ in range(100):
            member._note_error(DOWN)  # as librdkafka repeats it
            member.poll(0.1)

    with pytest.raises(StuckError, match="2 members of the group got no answer"):
        told_until_it_ends()
