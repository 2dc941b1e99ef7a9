"""So many transactions in progress that a position does not fit: some of them must end first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from outbox_worker.position.codec import PositionTooLargeError, encode
from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from outbox_worker.published.committed import CommittedPosition

AGAIN_S: Final = 0.2
"""How often positions that did not fit are tried again."""

SAY_S: Final = 60.0
"""How often that is said while it lasts."""

log = structlog.get_logger("relay")


class PositionLimit:
    """Says that positions do not fit, and when to try again."""

    def __init__(self) -> None:
        """Nothing is in the way."""
        self._rest = self._silence = Deadline(0.0)

    @property
    def waits(self) -> bool:
        """Whether it is too early to try again."""
        return not self._rest.passed

    def has_room_for(self, stored: CommittedPosition) -> bool:
        """Whether Kafka can keep the position of a shard that is taken over."""
        try:
            encode(stored.position)
        except PositionTooLargeError as error:
            self.note(error)
            return False
        return True

    def note(self, error: PositionTooLargeError) -> None:
        """A position did not fit."""
        self._rest = Deadline(AGAIN_S)
        if self._silence.passed:
            self._silence = Deadline(SAY_S)
            log.warning("too_many_transactions_in_progress", error=error.message, hint=error.hint)
