"""The errors that reach a person: each says what happened and what to do.

The command line turns every one of them into one message and the exit code
of its class; nothing else in the program decides about exit codes.
"""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override


class OutboxError(Exception):
    """A failure that a person must hear of, with a hint.

    `message` says what is wrong, `hint` what to do about it. Neither ever
    holds a password.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        """Keep both parts apart, so that each output can lay them out."""
        super().__init__(message)
        self.message = message
        self.hint = hint

    @override
    def __str__(self) -> str:
        """Both parts on one line."""
        return f"{self.message}. {self.hint}" if self.hint else self.message


class WorkFailedError(OutboxError):
    """The command ran, and what it was to do did not succeed."""


class HistoryLostError(OutboxError):
    """The table no longer holds the history that was published from it."""


class SettingsError(OutboxError):
    """Wrong usage or settings."""

    exit_code: ClassVar[int] = 2


class ServerError(OutboxError):
    """The database or the broker cannot be reached, or refuses us."""

    exit_code: ClassVar[int] = 3


class BrokerLimitError(OutboxError):
    """A broker that answers, and whose version or settings do not let the worker do its work."""

    exit_code: ClassVar[int] = 3


class StuckError(OutboxError):
    """Calls of a client library did not return, again and again: only a new process helps."""

    exit_code: ClassVar[int] = 3


class SchemaVersionError(OutboxError):
    """The schema is older or newer than this program."""

    exit_code: ClassVar[int] = 4
