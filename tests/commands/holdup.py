"""Commands that wait in the middle for the test, with a lock in hand."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import domain
from outbox_worker.commands import executor as product
from tests.harness.waiting import patient

if TYPE_CHECKING:
    import uuid

    import pytest

    from domain.commands import AnyCommand
    from domain.results import Result
    from outbox_worker.stores import Connection

LOCK_STUDENT: Final = "SELECT FROM school.student WHERE student_id = %s FOR UPDATE"


def hold_up(
    monkeypatch: pytest.MonkeyPatch, student: uuid.UUID
) -> tuple[threading.Event, threading.Event]:
    """Commands lock this student, say so by the first event, and wait for the second."""
    has_student, go_on = threading.Event(), threading.Event()

    def held_up(connection: Connection, command: AnyCommand, **more: Any) -> Result:  # noqa: ANN401
        connection.execute(LOCK_STUDENT, (student,))
        has_student.set()
        assert go_on.wait(patient(60))
        return domain.handle(connection, command, **more)

    monkeypatch.setattr(product, "handle", held_up)
    return has_student, go_on
