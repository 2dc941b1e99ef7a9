"""What Kafka refuses the worker or leaves unanswered, said once for each kind while it lasts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import structlog

from outbox_worker.kafka import rights
from outbox_worker.timing.outage import Outage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka import KafkaError

Subject: TypeAlias = Literal["broker", "membership", "positions", "topics", "transaction"]
"""What was tried: librdkafka at large, to be in the group, to learn where the shards stand, to
learn whether a topic is there, to commit."""

EVENTS: Final[Mapping[Subject, str]] = {"broker": "kafka_trouble", "membership": "kafka_trouble"}

log = structlog.get_logger("relay")


class KafkaStatus:
    """Who tries something notes what came of it; nobody else has to know. One thread writes."""

    def __init__(self, group: str) -> None:
        """`group` is the group of workers, which the hints name."""
        self._group = group
        self._open: dict[tuple[Subject, int], str] = {}
        # Of all kinds together; each of them is named by its own code.
        self._outage = Outage()

    def __contains__(self, subject: Subject) -> bool:
        """Whether something is wrong with it."""
        return any(each == subject for each, _ in self._open)

    @property
    def text(self) -> str:
        """All that is wrong; empty where nothing is."""
        return ", ".join(sorted(set(self._open.values())))

    @property
    def faults(self) -> dict[Subject, str]:
        """What is wrong by what was tried; any thread may ask."""
        return {subject: reason for (subject, _), reason in dict(self._open).items()}

    def note(self, subject: Subject, code: int, reason: str, hint: str = "") -> None:
        """It failed with this error; said where that is new, with the hint, ours or this one."""
        known = {code for _, code in self._open}
        self._open[subject, code] = reason
        self._outage.begin(reason)
        if code in known:
            return
        hint = hint or rights.hint(code, group=self._group)
        if code in rights.REFUSALS:
            log.error("kafka_refuses", error=reason, hint=hint)
        else:
            log.warning(EVENTS.get(subject, "kafka_away"), error=reason, hint=hint)

    def note_refusal(self, subject: Subject, code: int, reason: str) -> None:
        """It failed, which is nothing to speak of unless this is the error of a right."""
        if code in rights.REFUSALS:
            self.note(subject, code, reason)

    def settle(self, *subjects: Subject) -> None:
        """It went well; without any subject, all did."""
        if not self._open:
            return
        before = sorted({reason.partition(":")[0] for reason in self._open.values()})
        if subjects:
            self._open = {key: why for key, why in self._open.items() if key[0] not in subjects}
        else:
            self._open.clear()
        if not self._open and (over := self._outage.end()):
            log.info("kafka_back", after=", ".join(before), seconds=over.seconds)


def words(fault: KafkaError) -> str:
    """Name and text of an error, as they stand in a reason."""
    return f"{fault.name()}: {fault.str()}"
