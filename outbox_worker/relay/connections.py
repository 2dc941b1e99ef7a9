"""Whether a producer lost a connection, which librdkafka (2.16) says in its own log lines alone.

It then sends what was under way once more, and tells nobody. The first sending may be on its way
all the same: to a broker that stood still, or through a proxy that let go of one side. One that
comes late finds the producer in its next transaction, under the same epoch, and an end of
a transaction, or positions, are taken for those of that one.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outbox_worker.kafka.config import Config

LOUD: Final[Mapping[str, int | bool]] = {"log_level": 6, "log.connection.close": True}
"""Properties with which librdkafka does say it, whatever the user's file wants to hear."""

BEFORE_USE: Final = re.compile(
    r"\(after -?\d+ms in state (INIT|DOWN|TRY_CONNECT|CONNECT|SSL_HANDSHAKE|APIVERSION_QUERY)\b"
)
"""A connection that failed before anything of ours was sent on it."""


class Connections:
    """Stands in for a logger: passes librdkafka's lines on, and takes note of losses."""

    def __init__(self, config: Config) -> None:
        """Pass them to the logger of the configuration of the producer."""
        self._logger: logging.Logger = config.get("logger") or logging.getLogger("librdkafka")
        self.lost = False
        """Whether one was lost that may have had a request under way. It stays so:
        librdkafka does not say twice within 30 s that it lost the same one."""

    def log(self, level: int, text: str, *given: object) -> None:
        """What librdkafka calls: the kind of line comes first among the arguments."""
        line = text % given
        if line.startswith("REQTMOUT ") or (
            line.startswith("FAIL ") and not BEFORE_USE.search(line)
        ):
            self.lost = True
        self._logger.log(level, "%s", line)
