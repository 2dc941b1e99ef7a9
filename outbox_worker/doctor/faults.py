"""What an error of a server says of a check: nothing was seen, or something is broken."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

import psycopg
from confluent_kafka import KafkaException

from outbox_worker.doctor.check import Check, Needs
from outbox_worker.doctor.finding import Finding, failed, skipped, warned
from outbox_worker.errors import OutboxError
from outbox_worker.kafka import rights
from outbox_worker.logs.safe_text import describe

if TYPE_CHECKING:
    from collections.abc import Mapping

RIGHTS: Final = "Let an administrator grant the login what it lacks; for a worker's login:"

OF_THE_SCHEMA: Final = (
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
)

BUSY: Final = "See pg_stat_activity for what runs and who locks, then run doctor again"

SILENT: Final[Mapping[Needs, str]] = {
    Needs.POSTGRES: "See that the server of OUTBOX_DATABASE_URL is not frozen, and that no "
    "firewall between here and there drops what is sent",
    Needs.KAFKA: "See that the brokers of OUTBOX_KAFKA_BOOTSTRAP_SERVERS are not frozen, and that "
    "this machine can reach each of them by the name that it advertises",
    Needs.BOTH: "See the findings of the checks of Postgres and Kafka",
}


def silent(needs: Needs, seconds: float) -> Finding:
    """A server took the question and gave no answer."""
    return failed(f"no answer within {seconds:.0f} s", SILENT[needs])


def finding_of(error: Exception, check: Check) -> Finding:
    """What an error of a server, or one of ours, means for the check that met it."""
    match error:
        case psycopg.Error():
            return _of_postgres(error)
        case KafkaException():
            return _of_kafka(error)
        case OutboxError():
            return failed(error.message, error.hint)
        case TimeoutError():
            return failed("no answer in time", SILENT[check.needs])
        case _:
            raise error


def _of_postgres(error: psycopg.Error) -> Finding:
    words = describe(error)
    match error:
        case psycopg.errors.InsufficientPrivilege():
            return skipped(f"not seen: {words}", RIGHTS, "GRANT outbox_worker TO LOGIN;")
        case psycopg.Error() if isinstance(error, OF_THE_SCHEMA):
            return skipped(f"not seen: {words}", "See postgres.schema")
        case psycopg.errors.LockNotAvailable():
            return warned("not seen: somebody keeps a table locked", BUSY)
        case psycopg.errors.QueryCanceled():
            return warned("not seen: the database took too long to answer", BUSY)
        case _:
            return failed(f"the database failed: {words}", "See the log of the database server")


def _of_kafka(error: KafkaException) -> Finding:
    fault = error.args[0]
    words = f"{fault.name()}: {fault.str()}"
    if fault.code() in rights.REFUSALS:
        return skipped(f"not seen: Kafka refuses us ({words})", rights.hint(fault.code()))
    return failed(f"Kafka does not answer the question ({words})", rights.hint(fault.code()))


def quoted(login: str) -> str:
    """A login as a word of a shell command."""
    return shlex.quote(login)
