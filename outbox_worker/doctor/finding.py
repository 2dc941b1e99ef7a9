"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How bad it is. The values are those of `--json`."""

    PASS = "pass"  # noqa: S105  a word of findings
    WARN = "warn"
    """The worker does its work, and somebody should look."""
    FAIL = "fail"
    """Something is not published or executed, or will not be soon."""
    SKIPPED = "skipped"
    """Nobody knows: a server or a right that the check needs is missing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen, and what to do about it: in words, and as lines to be run in this order.

    `seen` and `remedy` may hold what writers chose, with any control characters.
    """

    level: Level
    seen: str
    remedy: str = ""
    run: tuple[str, ...] = ()


def passed(seen: str) -> Finding:
    """Nothing is to be done."""
    return Finding(Level.PASS, seen)


def warned(seen: str, remedy: str, *run: str) -> Finding:
    """Somebody should look."""
    return Finding(Level.WARN, seen, remedy, run)


def failed(seen: str, remedy: str, *run: str) -> Finding:
    """Somebody has to act."""
    return Finding(Level.FAIL, seen, remedy, run)


def skipped(why: str, remedy: str = "", *run: str) -> Finding:
    """Not seen, and why."""
    return Finding(Level.SKIPPED, why, remedy, run)
