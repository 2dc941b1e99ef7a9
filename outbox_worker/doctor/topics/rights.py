"""What this user may do with the topics of waiting events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from confluent_kafka.admin._acl import AclOperation

from outbox_worker.doctor.finding import Finding, failed, passed
from outbox_worker.doctor.topics import named
from outbox_worker.doctor.words import named as in_words
from outbox_worker.kafka import rights

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers

MOST: Final = 10


def look(servers: Servers) -> Finding:
    """Fails where it may not see one, or not write to it."""
    waiting = servers.once(named.waiting).topics
    refused = named.hidden(servers)
    for name, shape in named.there(servers).items():
        # None where the broker does not say.
        given = shape.authorized_operations or [AclOperation.WRITE]
        if name in waiting and AclOperation.WRITE not in given:
            refused.append(name)
    if not refused:
        return passed(f"this user may write to {len(waiting)} topics that events wait for")
    return failed(
        f"this user may not write to {in_words(refused, MOST)}",
        "Let an administrator grant it (Kafka does not tell those who may not see a topic "
        "whether it is there)",
        *(rights.on_topic(name, "Describe", "Write") for name in refused[:MOST]),
    )
