"""Passwords that are good for minutes: a command prints one when a connection is made."""

from __future__ import annotations

import shlex
import subprocess
import threading
from functools import cache
from typing import Final

from outbox_worker.errors import ServerError
from outbox_worker.timing.deadline import Deadline

VARIABLE: Final = "OUTBOX_DATABASE_PASSWORD_COMMAND"

COMMAND_S: Final = 10.0
"""How long the command may take: one that asks a service of a cloud takes about a second."""

KEPT_S: Final = 60.0
"""How long a password is used for further connections. Loops that look at something every few
seconds connect each time; tokens are good for ten minutes and more."""


class PasswordCommand:
    """Runs a command for a password, and keeps what it printed for `KEPT_S`. Safe in threads."""

    def __init__(self, command: str) -> None:
        """`command` is split as a shell would, and run without one."""
        self._words = shlex.split(command)
        self._lock = threading.Lock()
        self._password = ""
        self._kept = Deadline(0.0)

    def password(self) -> str:
        """One that was printed lately; `ServerError` where the command prints none."""
        with self._lock:
            if self._kept.passed:
                self._password = self._ask()
                self._kept = Deadline(KEPT_S)
            return self._password

    def forget(self) -> None:
        """No connection came of it: the next one asks anew."""
        with self._lock:
            self._kept = Deadline(0.0)

    def _ask(self) -> str:
        try:
            done = subprocess.run(  # noqa: S603  the words are the setting of whoever runs us
                self._words,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                # What it says may hold what it was to keep secret.
                stderr=subprocess.DEVNULL,
                timeout=COMMAND_S,
            )
        except OSError as error:
            raise self._failed(f"cannot be run: {error.strerror}") from None
        except subprocess.TimeoutExpired:
            # The cause holds what was printed until then.
            raise self._failed(f"did not end within {COMMAND_S:.0f} s") from None
        if done.returncode:
            raise self._failed(f"ended with exit code {done.returncode}")
        lines = done.stdout.decode(errors="replace").splitlines()
        if len(lines) != 1 or not lines[0]:
            raise self._failed("printed no password: it has to print one line and nothing else")
        return lines[0]

    def _failed(self, what: str) -> ServerError:
        # Its arguments may be secret.
        return ServerError(
            f"The command of {VARIABLE} ({self._words[0]}) {what}",
            "Run it by hand, as the user of the worker, to see what it says",
        )


@cache
def source(command: str) -> PasswordCommand:
    """The one that all connections of this process share."""
    return PasswordCommand(command)
