"""Rules that the schema holds: the name of a constraint, and what breaking it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outbox_school import commands
from outbox_school.results import ErrorCode
from outbox_worker.application import Refused, invalid

if TYPE_CHECKING:
    import psycopg

    from outbox_worker.application import Command

TAKEN = "is taken; leave it out or draw a new one"


def refusal_of(error: psycopg.errors.IntegrityError, command: Command) -> Refused | None:
    """What the broken constraint means for `command`; None where it must not happen."""
    match error.diag.constraint_name, command:
        case "class_pkey", _:
            return invalid(("class_id", TAKEN))
        case "student_pkey", _:
            return invalid(("student_id", TAKEN))
        case ("class_course_is_known", commands.CreateClass() | commands.UpdateClass()) | (
            "batch_course_is_known",
            commands.RegisterBatch(),
        ):
            return _unknown_course(command)
        case (
            "student_email_is_unique_per_owner",
            commands.CreateStudent(email=email) | commands.UpdateStudent(email=email),
        ):
            return Refused(
                code=ErrorCode.DUPLICATE_EMAIL,
                message="Another student of yours has this e-mail address",
                details={"email": email},
            )
        case _:
            return None


def _unknown_course(command: Command) -> Refused:
    codes = (
        [command.course_code]
        if isinstance(command, commands.RegisterBatch)
        else list(getattr(command, "course_codes", None) or ())
    )
    return Refused(
        code=ErrorCode.COURSE_NOT_FOUND,
        message="There is no such course",
        details={"course_codes": codes},
    )
