"""Why a command was not executed, as its history keeps it."""

from __future__ import annotations

import traceback
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from outbox_worker.logs.safe_text import describe, printable
from outbox_worker.stores.command import Entry

if TYPE_CHECKING:
    from outbox_worker.stores.command import What

LONGEST: Final = 1_000
"""Characters of a message: some errors quote a whole statement."""

NEAREST_FOLDERS: Final = 2


def entry_of(what: What, counted: int, worker: str, error: Exception) -> Entry:
    """An entry with type and message of `error`, as a line of the log has them, and its place.

    `counted` failures are the command's own.
    """
    words = describe(error)[:LONGEST]
    return Entry(what, counted, worker, type(error).__name__, words, _place(error))


def _place(error: Exception) -> str:
    """Where in the code it was raised: folders, file, line and function; empty where unknown."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    last = frames[-1]
    path = "/".join(PurePath(last.filename).parts[-1 - NEAREST_FOLDERS :])
    return printable(f"{path}:{last.lineno} in {last.name}")
