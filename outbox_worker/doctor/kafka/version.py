"""Whether the brokers refuse the positions of a worker that lost its shards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outbox_worker.doctor.finding import Finding, passed, warned
from outbox_worker.kafka import brokers

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers


def look(servers: Servers) -> Finding:
    """Fails where they are older than 2.5, warns where they do not say."""
    if brokers.require_fencing(servers.settings):
        return passed("Kafka 2.5 or newer: a worker that lost its shards is fenced")
    return warned(
        "librdkafka did not hear of a version", "Make sure that the brokers are Kafka 2.5 or newer"
    )
