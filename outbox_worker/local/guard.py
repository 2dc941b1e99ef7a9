"""Nothing is left running: a small process that outlives its parent by one duty.

It holds the other end of a pipe. When the parent ends, in whatever way (SIGKILL
leaves it no time), the pipe closes, and the guard ends the servers and removes
their directories. Run as a script of its own, it imports nothing of ours.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

GRACE_S = 5.0
"""Time for a server to end by its own signal before it is killed."""


class Guard:
    """Watches for one server, until `close`."""

    def __init__(self) -> None:
        """Start the watching process in a session of its own: no Ctrl-C reaches it."""
        self._process = subprocess.Popen(
            [sys.executable, "-I", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def watch(self, pid: int, ending: signal.Signals) -> None:
        """End process `pid`, the head of its group, with this signal when we are gone."""
        self._write(f"pid {pid} {int(ending)}")

    def forget(self, pid: int) -> None:
        """It has ended: its number may become somebody else's."""
        self._write(f"ended {pid}")

    def remove(self, directory: Path) -> None:
        """Remove this directory when we are gone."""
        self._write(f"remove {directory}")

    def close(self) -> None:
        """The servers have ended: let the guard remove the directories, and wait for it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def _write(self, line: str) -> None:
        if self._process.stdin is None:
            raise RuntimeError("the guard has no pipe")
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()


def end(pid: int, ending: int) -> None:
    """End a process by its signal, or after the grace with its whole group by SIGKILL."""
    with suppress(ProcessLookupError):
        os.kill(pid, ending)
        deadline = time.monotonic() + GRACE_S
        while time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(0.05)  # noqa: TID251  it is no child of ours: nobody tells when it ends
        os.killpg(pid, signal.SIGKILL)


def main() -> None:
    """Take notes until the pipe closes, then do the duty."""
    pids: dict[int, int] = {}
    directories: list[Path] = []
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "pid":
            pid, ending = rest.split()
            pids[int(pid)] = int(ending)
        elif word == "ended":
            pids.pop(int(rest), None)
        elif word == "remove":
            directories.append(Path(rest))
    for pid, number in pids.items():
        end(pid, number)
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
