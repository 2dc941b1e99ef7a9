"""A broker that asks who is there, and one user's rights on it, given and taken one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
)
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from outbox_worker.local.ports import HOST
from outbox_worker.settings import ANCHOR_TOPIC
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from outbox_worker.local.kafka import KafkaServer

USER: Final = "outbox"
PASSWORD: Final = "guarded"
ADMIN_S: Final = 60.0
ANYTHING: Final[Any] = None
"""Where a filter names nothing; the types of confluent-kafka do not know that it may."""

GUARD: Final[Mapping[str, str]] = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,INSIDE:PLAINTEXT,BEHIND:SASL_PLAINTEXT",
    "listener.name.behind.sasl.enabled.mechanisms": "PLAIN",
    "listener.name.behind.plain.sasl.jaas.config": (
        "org.apache.kafka.common.security.plain.PlainLoginModule required "
        f'user_{USER}="{PASSWORD}";'
    ),
}
"""Who comes in by the second listener is `USER` and may do what was granted; the tests, who come
in by the first, may do everything."""

PROPERTIES: Final = f"""\
security.protocol=SASL_PLAINTEXT
sasl.mechanism=PLAIN
sasl.username={USER}
sasl.password={PASSWORD}
"""


class Right(NamedTuple):
    """One operation on one resource, or on all whose names begin like it."""

    kind: ResourceType
    name: str
    operation: AclOperation
    pattern: ResourcePatternType = ResourcePatternType.LITERAL


def on_topic(name: str, *operations: AclOperation) -> frozenset[Right]:
    """These operations on a topic."""
    return frozenset(Right(ResourceType.TOPIC, name, each) for each in operations)


def on_events(name: str) -> frozenset[Right]:
    """What the worker needs on a topic of events."""
    return on_topic(name, AclOperation.DESCRIBE, AclOperation.WRITE)


def on_anchor() -> frozenset[Right]:
    """What the worker needs on the topic of the shards once that is there."""
    return on_topic(ANCHOR_TOPIC, AclOperation.DESCRIBE, AclOperation.READ)


def on_group(name: str) -> frozenset[Right]:
    """What the worker needs on its group."""
    operations = (AclOperation.DESCRIBE, AclOperation.READ)
    return frozenset(Right(ResourceType.GROUP, name, each) for each in operations)


def on_transactions(group: str) -> frozenset[Right]:
    """What the worker needs on the transactional ids of its group."""
    operations = (AclOperation.DESCRIBE, AclOperation.WRITE)
    return frozenset(
        Right(ResourceType.TRANSACTIONAL_ID, f"{group}.", each, ResourcePatternType.PREFIXED)
        for each in operations
    )


def only(operation: AclOperation, rights: frozenset[Right]) -> frozenset[Right]:
    """Those of the rights that are this operation."""
    return frozenset(right for right in rights if right.operation is operation)


class Rights:
    """What `USER` may do on a broker that was started with `GUARD`."""

    def __init__(self, server: KafkaServer) -> None:
        """Give and take as the administrator."""
        self._admin = AdminClient({"bootstrap.servers": server.bootstrap, "log_level": 0})
        self.bootstrap = f"{HOST}:{server.behind_proxy}"

    def properties(self, folder: Path) -> str:
        """The path of the file by which a worker comes in as `USER`."""
        path = folder / "kafka.properties"
        path.write_text(PROPERTIES)
        return str(path)

    def give(self, rights: frozenset[Right]) -> None:
        """Grant these; returns when the broker goes by it."""
        orders = self._admin.create_acls([_binding(right) for right in rights])
        for order in orders.values():
            order.result(ADMIN_S)
        wait_until(lambda: rights <= self._given(), ADMIN_S, "the broker knows the rights")

    def take(self, rights: frozenset[Right]) -> None:
        """Take these away; returns when the broker goes by it."""
        if rights:
            for order in self._admin.delete_acls([_filter(right) for right in rights]).values():
                order.result(ADMIN_S)
        wait_until(lambda: not rights & self._given(), ADMIN_S, "the broker forgot the rights")

    def take_all(self) -> None:
        """Leave none."""
        self.take(self._given())

    def _given(self) -> frozenset[Right]:
        every = AclBindingFilter(
            ResourceType.ANY,
            ANYTHING,
            ResourcePatternType.ANY,
            ANYTHING,
            ANYTHING,
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        found = self._admin.describe_acls(every).result(ADMIN_S)
        return frozenset(
            Right(each.restype, each.name, each.operation, each.resource_pattern_type)
            for each in found
        )


def _binding(right: Right) -> AclBinding:
    kind, name, operation, pattern = right
    return AclBinding(kind, name, pattern, f"User:{USER}", "*", operation, AclPermissionType.ALLOW)


def _filter(right: Right) -> AclBindingFilter:
    kind, name, operation, pattern = right
    return AclBindingFilter(
        kind, name, pattern, f"User:{USER}", "*", operation, AclPermissionType.ALLOW
    )
