"""The school as an application of the engine: its commands, events and numbers, in one place."""

from __future__ import annotations

from typing import Final

from outbox_school import (
    associations,
    batches,
    classes,
    commands,
    constraints,
    content,
    erasure,
    events,
    metrics,
    overdue,
    retention,
    students,
    tally,
)
from outbox_school.demo.story import DEMO
from outbox_school.settings import SchoolSettings
from outbox_school.statements import sql
from outbox_worker.application import Application, CommandType

school: Final = Application(
    "school",
    title="Events of classes, students and batches",
    sql=sql,
    topic_prefix=events.TOPIC_PREFIX,
    commands=(
        CommandType(commands.CreateClass, classes.create, shares_transaction=True),
        CommandType(commands.UpdateClass, classes.update, shares_transaction=True),
        CommandType(commands.DeleteClass, classes.delete, shares_transaction=True),
        CommandType(commands.CreateStudent, students.create, shares_transaction=True),
        CommandType(commands.UpdateStudent, students.update, shares_transaction=True),
        CommandType(commands.DeleteStudent, students.delete, shares_transaction=True),
        CommandType(commands.EraseStudent, erasure.erase),
        CommandType(commands.RegisterBatch, batches.register),
        CommandType(commands.ProvisionContent, content.provision),
        CommandType(commands.RecordValidationFailure, content.record_failure),
        CommandType(commands.SuggestAssociations, associations.suggest),
        CommandType(commands.ConfirmAssociations, associations.confirm),
    ),
    events=events.EVENTS,
    refusal_of=constraints.refusal_of,
    jobs=(overdue.JOB, tally.JOB),
    numbers=tally.NUMBERS,
    retention=retention.RETENTION,
    demo=DEMO,
    settings=SchoolSettings,
    count_results=metrics.count_results,
)
"""What `OUTBOX_APPLICATION` names where nothing else is set."""
