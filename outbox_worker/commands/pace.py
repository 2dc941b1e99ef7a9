"""How many commands a transaction may carry, from how long they took lately."""

from __future__ import annotations

from typing import Final

MOST: Final = 32
"""Commands of a group at most. Each is a subtransaction, and with more than 64 of them in one
transaction every other session's snapshots become dearer."""

TARGET_S: Final = 0.020
"""How long a group should take. Four threads on two busy cores execute 15 short commands in it, and
by then nine tenths of what a group can save are saved."""

SLOW_S: Final = 0.025
"""A type whose commands took as long lately is executed alone: half of what a group may take."""

GUARDED: Final = 1_000
"""Commands of a type that have a savepoint each after one of it was undone. A savepoint costs two
statements, a fifth of what a short command does; without one the whole group is executed again."""

AFTER_UNDONE: Final = 20
"""Commands that a thread executes alone after a group was undone: that cost the time of the group,
and perhaps a session."""

DECAY: Final = 0.8
"""By how much a duration counts less with each further command of its type."""


class Pace:
    """What the commands of each type were like lately, for all threads of a process."""

    def __init__(self) -> None:
        """Know no type."""
        self._seconds: dict[str, float] = {}
        self._guarded: dict[str, int] = {}

    def took(self, kind: str, seconds: float) -> None:
        """A command of this type was executed, or given up after so long."""
        # Two threads at once may lose one of the two: the next one counts as well.
        self._seconds[kind] = max(seconds, self._seconds.get(kind, 0.0) * DECAY)

    def undone(self, kind: str) -> None:
        """A command of this type was refused after it may have written, or had to give up."""
        self._guarded[kind] = GUARDED

    def needs_savepoint(self, kind: str) -> bool:
        """Whether the next command of this type, which is counted here, may well be undone."""
        left = self._guarded.get(kind, 0)
        if left:
            self._guarded[kind] = left - 1
        return left > 0

    def is_quick(self, kind: str) -> bool:
        """Whether the last ones were; not before the first one."""
        return self._seconds.get(kind, SLOW_S) < SLOW_S


class GroupSize:
    """How many commands one thread asks for: more for as long as it gets all, soon.

    Where the machine or the database is so busy that one command takes most of the time of a
    group, there are no groups.
    """

    def __init__(self) -> None:
        """Begin with one: a command that is alone waits for no other."""
        self.most = 1
        self._alone = 0

    def rested(self) -> None:
        """There was nothing to do."""
        self.most = 1

    def undone(self) -> None:
        """A group was rolled back for a reason that savepoints do not help against."""
        self.most, self._alone = 1, AFTER_UNDONE

    def executed(self, asked: int, found: int, executed: int, seconds: float) -> None:
        """So many were asked for, found, and executed together, in so long.

        Nothing is learned where no number was asked for.
        """
        if not asked:
            return
        if self._alone:
            self._alone -= 1
            return
        fit = int(found * TARGET_S / seconds)
        if executed < found:
            fit = min(fit, executed)
        if found < asked:
            # The other threads want to work, too.
            fit = min(fit, found // 2)
        self.most = max(1, min(fit, self.most * 2, MOST))
