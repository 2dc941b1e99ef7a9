"""Which topics take events: asked once each, before the first event goes there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from confluent_kafka import KafkaError, KafkaException

from outbox_worker import kafka

if TYPE_CHECKING:
    from collections.abc import Iterable

    from outbox_worker.relay.group import Group
    from outbox_worker.settings import Settings

log = structlog.get_logger("relay")


class Topics:
    """Knows the topics that were found, and makes missing ones where the settings say so."""

    def __init__(self, settings: Settings, group: Group) -> None:
        """Ask through the member's connection, which never makes a topic by asking."""
        self._settings = settings
        self._group = group
        self._known: set[str] = set()

    def closed(self, names: Iterable[str]) -> dict[str, str]:
        """Those of `names` that take no event, and why; `UnreachableError` where nobody answers."""
        faults = {name: self._find(name) for name in set(names) - self._known}
        self._known.update(name for name, fault in faults.items() if fault is None)
        return {name: fault for name, fault in faults.items() if fault is not None}

    def forget(self, names: Iterable[str]) -> None:
        """Ask anew: a topic may have been deleted."""
        self._known.difference_update(names)

    def _find(self, name: str) -> str | None:
        try:
            fault = self._group.topic_fault(name)
        except KafkaException as error:
            raise kafka.unreachable(error.args[0]) from error
        if fault is None:
            return None
        if fault.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
            return f"{fault.name()}: {fault.str()}"
        shape = self._settings.create_topics
        if shape is None:
            return "the topic does not exist"
        kafka.create_shape(kafka.make_admin(self._settings), name, shape)
        log.info("topic_created", topic=name, partitions=shape.partitions)
        return None
