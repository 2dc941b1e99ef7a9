"""Commands that wait in the middle for the test, with a lock in hand."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from outbox_worker.application import Application
from tests.harness.waiting import patient

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable

    import pytest
    from pydantic import BaseModel

    from outbox_worker.application import Command
    from outbox_worker.stores import Connection

LOCK_STUDENT: Final = "SELECT FROM school.student WHERE student_id = %s FOR UPDATE"


def hold_up(
    monkeypatch: pytest.MonkeyPatch, student: uuid.UUID
) -> tuple[threading.Event, threading.Event]:
    """Commands lock this student, say so by the first event, and wait for the second."""
    has_student, go_on = threading.Event(), threading.Event()

    handle: Callable[..., BaseModel] = Application.handle

    def held_up(
        self: Application,
        connection: Connection,
        command: Command,
        **more: Any,  # noqa: ANN401
    ) -> BaseModel:
        connection.execute(LOCK_STUDENT, (student,))
        has_student.set()
        assert go_on.wait(patient(60))
        return handle(self, connection, command, **more)

    monkeypatch.setattr(Application, "handle", held_up)
    return has_student, go_on
