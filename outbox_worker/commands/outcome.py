"""What one step of the executor can come to: a closed set of frozen types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pydantic import BaseModel

    from outbox_worker.application import Refused
    from outbox_worker.stores.command import Claimed


@dataclass(frozen=True, slots=True)
class Idle:
    """There was no command that could run."""


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The application's rows, events and result are committed."""

    command: Claimed
    result: BaseModel


@dataclass(frozen=True, slots=True)
class Rejected:
    """The error and its event are committed, and none of the application's rows."""

    command: Claimed
    error: Refused


@dataclass(frozen=True, slots=True)
class SetAside:
    """The last attempt failed: the error and its event are committed, and why in the history."""

    command: Claimed
    error: Exception


@dataclass(frozen=True, slots=True)
class Overtaken:
    """Another worker finished the command after ours had been undone: nothing is left to do."""

    command: Claimed


@dataclass(frozen=True, slots=True)
class Postponed:
    """Something around the command failed: it stays queued, and that counts for nothing."""

    command: Claimed
    error: Exception


@dataclass(frozen=True, slots=True)
class Failed:
    """The command failed unexpectedly: it stays queued, and that was counted."""

    command: Claimed
    error: Exception


@dataclass(frozen=True, slots=True)
class Unreached:
    """No command could even be asked for."""

    error: Exception


@dataclass(frozen=True, slots=True)
class GroupDone:
    """What is committed of a group of commands; those of it that are not were left as they were."""

    outcomes: tuple[Succeeded | Rejected, ...]


@dataclass(frozen=True, slots=True)
class GroupUndone:
    """Nothing of a group is committed: its commands are executed again, as a group or alone.

    Where one failed unexpectedly, the session may hold something that it left.
    """

    error: Exception


Tried: TypeAlias = Succeeded | Rejected | SetAside | Overtaken | Postponed | Failed | Unreached
Outcome: TypeAlias = Idle | Tried | GroupDone | GroupUndone
