"""Which events that Kafka can never take are parked: `OUTBOX_ON_REFUSED`."""

from __future__ import annotations

import re


class ParkPolicy:
    """Rules such as `park:orders.*,block`: the first whose topics fit counts."""

    def __init__(self, rules: str) -> None:
        """Read the rules. One without topics is for all; where none fits, the event blocks."""
        self._rules = [_parse(rule) for rule in rules.split(",")]

    def parks(self, topic: str) -> bool:
        """Whether an event of this topic is parked once Kafka has refused it for good."""
        return next((parks for parks, names in self._rules if names.fullmatch(topic)), False)


def _parse(rule: str) -> tuple[bool, re.Pattern[str]]:
    action, _, pattern = rule.strip().partition(":")
    names = ".*".join(map(re.escape, (pattern or "*").split("*")))
    return action == "park", re.compile(names)
