"""One command, carried out in the caller's transaction: all of it, or nothing and an error."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, assert_never

import psycopg
from psycopg.pq import TransactionStatus

from domain import associations, batches, classes, commands, constraints, content, events, students
from domain.context import Context
from domain.results import RefusalError

if TYPE_CHECKING:
    from domain.context import Connection
    from domain.results import Result, Success


def handle(
    connection: Connection,
    command: commands.AnyCommand,
    *,
    topic_prefix: str = events.TOPIC_PREFIX,
    now: datetime | None = None,
    savepoint: bool = True,
) -> Result:
    """Carry out `command` and append its events, all in the caller's transaction.

    A refusal has written nothing, and the transaction goes on. Without an open
    transaction this is one of its own. Without `savepoint` it costs the server less, and
    after a refusal the caller must roll back. Expects READ COMMITTED, Postgres' default:
    rules that wait for other transactions look again at what those wrote.

    Raises psycopg's errors of an infrastructure fault (deadlock, lost connection, time-out):
    roll back and try again; nothing is lost or done twice. `IsolationLevelError` for a
    command about a batch in a transaction that is not READ COMMITTED. `ValueError` without
    `savepoint` where nobody has begun a transaction: each statement would commit by itself.
    """
    if not (savepoint or _in_transaction(connection)):
        raise ValueError(
            "Without a savepoint a command needs a transaction of its caller's: begin one "
            "(connection.transaction()), or leave savepoint as it is"
        )
    context = Context(
        connection,
        command.actor,
        command.correlation_id or command.command_id,
        now or datetime.now(UTC),
    )
    try:
        with connection.transaction() if savepoint else nullcontext():
            success = _carry_out(context, command)
            events.append(connection, context.events, topic_prefix)
    except RefusalError as refusal:
        return refusal.refused
    except psycopg.errors.IntegrityError as error:
        refused = constraints.refusal_of(error, command)
        if refused is None:
            raise
        return refused
    return success


def _in_transaction(connection: Connection) -> bool:
    """Whether the next statement is part of a transaction that the caller ends."""
    begins_one = not connection.autocommit
    return begins_one or connection.info.transaction_status != TransactionStatus.IDLE


def _carry_out(context: Context, command: commands.AnyCommand) -> Success:  # noqa: C901, PLR0911  long: one line for each command
    match command:
        case commands.CreateClass():
            return classes.create(context, command)
        case commands.UpdateClass():
            return classes.update(context, command)
        case commands.DeleteClass():
            return classes.delete(context, command)
        case commands.CreateStudent():
            return students.create(context, command)
        case commands.UpdateStudent():
            return students.update(context, command)
        case commands.DeleteStudent():
            return students.delete(context, command)
        case commands.RegisterBatch():
            return batches.register(context, command)
        case commands.ProvisionContent():
            return content.provision(context, command)
        case commands.RecordValidationFailure():
            return content.record_failure(context, command)
        case commands.SuggestAssociations():
            return associations.suggest(context, command)
        case commands.ConfirmAssociations():
            return associations.confirm(context, command)
        case _:
            assert_never(command)
