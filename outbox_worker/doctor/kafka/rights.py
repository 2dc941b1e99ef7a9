"""What this user may do with the group and the topic of the shards.

Kafka tells no right on a transactional id to one who does not use it, and to use it would fence the
worker that has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin._acl import AclOperation

from outbox_worker.doctor.finding import Finding, failed, passed
from outbox_worker.kafka import rights
from outbox_worker.kafka.admin import METADATA_S, Permission, answer, ask_permission
from outbox_worker.settings import ANCHOR_TOPIC

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers

WANTED: Final = (AclOperation.DESCRIBE, AclOperation.READ)
GRANT: Final = "Let an administrator grant it to this user"


def look(servers: Servers) -> Finding:
    """Fails where one is missing."""
    group = servers.settings.group
    lines = []
    if not _may_join(servers, group):
        lines.append(rights.on_group(group))
    if not _may_use_anchor(servers):
        lines.append(rights.on_topic(ANCHOR_TOPIC, "Describe", "Read"))
    if lines:
        what = f"the group {group}" if len(lines) == 1 else f"the group {group} and {ANCHOR_TOPIC}"
        if len(lines) == 1 and lines[0] != rights.on_group(group):
            what = f"the topic {ANCHOR_TOPIC}"
        return failed(f"this user may not describe and read {what}", GRANT, *lines)
    return passed("group and anchor topic; those on transactional ids cannot be asked for")


def _may_join(servers: Servers, group: str) -> bool:
    asked = servers.admin.describe_consumer_groups(
        [group], include_authorized_operations=True, request_timeout=METADATA_S
    )
    try:
        given = answer(asked[group], METADATA_S).authorized_operations
    except KafkaException as error:
        if error.args[0].code() in rights.REFUSALS:
            return False
        raise
    return given is None or set(WANTED) <= set(given)


def _may_use_anchor(servers: Servers) -> bool:
    try:
        return all(
            ask_permission(servers.admin, ANCHOR_TOPIC, each.name) is not Permission.DENIED
            for each in WANTED
        )
    except KafkaException as error:
        code = error.args[0].code()
        if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
            # kafka.anchor says so.
            return True
        if code in rights.REFUSALS:
            return False
        raise
