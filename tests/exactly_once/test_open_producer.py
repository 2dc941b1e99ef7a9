"""A producer finds its coordinator at once: librdkafka would look again only 500 ms later."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from outbox_worker.kafka import anchor, brokers
from outbox_worker.kafka.clients import make_admin
from outbox_worker.kafka.config import producer_config
from outbox_worker.settings import Settings

if TYPE_CHECKING:
    import pytest

PRODUCERS: Final = 30
"""With one question before `init_transactions` every fourth looked in vain."""

LOOKED: Final = "Transactional API called: init_transactions"
IN_VAIN: Final = "No brokers available for Transactions"


def test_a_producer_is_connected_before_it_looks_for_its_coordinator(
    kafka_bootstrap_servers: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(
        database_url=SecretStr("postgresql://"), kafka_bootstrap_servers=kafka_bootstrap_servers
    )
    anchor.ensure_topic(make_admin(settings))
    logger = logging.getLogger("coordinators")
    ours = {"debug": "eos", "log_level": 7, "logger": logger}
    with caplog.at_level(logging.DEBUG, logger.name):
        for _ in range(PRODUCERS):
            config = producer_config(settings, f"coordinators.{secrets.token_hex(4)}")
            brokers.open_producer({**config, **ours}).poll(0)
    lines = [record.getMessage() for record in caplog.records]
    assert sum(LOOKED in line for line in lines) == PRODUCERS
    assert not [line for line in lines if IN_VAIN in line]
