"""`python -m tests.matrix [--write]`: a short story on each version of the servers.

Each Postgres with the Kafka of the tests, then each Kafka with the Postgres of the tests;
then the tests of poolers with each PgBouncer.
What cannot be had on this machine is named, and counts as not tried.
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click
import confluent_kafka
import psycopg

from outbox_worker.errors import ServerError
from outbox_worker.local import jars
from outbox_worker.local.kafka import KafkaServer
from outbox_worker.local.postgres import PostgresServer
from outbox_worker.postgres.migrations import OLDEST_SERVER
from tests.harness.workers import ROOT
from tests.matrix import poolers
from tests.matrix.servers import KAFKAS, Binaries, postgres_servers
from tests.matrix.smoke import is_refused, run_worker_tests

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE: Final = ROOT / "docs" / "compatibility.md"
SHORT: Final = 300

HEAD: Final = """# Compatibility

`make matrix`, which is not part of `make test`, wrote this page on {date} with
psycopg {psycopg} and confluent-kafka {kafka} (librdkafka {librdkafka}).
It runs on each server: `migrate`; two workers while others write events and submit commands,
one of them killed; `rebase --execute` and a worker again; `tail`, `status`, `verify`, `purge`;
and checks that a subscriber received each event once and in order. The oldest Postgres is 15.
Behind each PgBouncer it runs the worker and every command in session mode, checks that the
other modes are refused, also beside other clients, and runs writers in transaction mode (from
1.24 on with prepared statements).

| server | from | result |
|---|---|---|
"""


class Line(NamedTuple):
    """One server and what came of it; `is_good` is None where it was not tried."""

    server: str
    origin: str
    result: str
    is_good: bool | None


@click.command()
@click.option("--write", is_flag=True, help="put the results into docs/compatibility.md")
@click.option("--only", metavar="WORD", default="", help="servers whose name or origin has it")
def main(only: str, *, write: bool) -> None:
    """Try each version; exit code 1 where one fails, or where nothing could be tried."""
    jars.need_java()
    lines: list[Line] = []
    for job in [*_postgres_jobs(only), *_kafka_jobs(only), *_pooler_jobs(only)]:
        began = time.monotonic()
        line = job()
        lines.append(line)
        click.echo(
            f"{line.server} ({line.origin}): {line.result} [{time.monotonic() - began:.0f} s]"
        )
    if write:
        rows = "".join(f"| {each.server} | {each.origin} | {each.result} |\n" for each in lines)
        PAGE.write_text(
            HEAD.format(
                date=f"{datetime.now(UTC):%Y-%m-%d}",
                psycopg=psycopg.__version__,
                kafka=confluent_kafka.__version__,
                librdkafka=confluent_kafka.libversion()[0],
            )
            + rows
        )
    tried = [each.is_good for each in lines if each.is_good is not None]
    sys.exit(0 if tried and all(tried) else 1)


def _postgres_jobs(only: str) -> list[Callable[[], Line]]:
    return [
        partial(_postgres, each) for each in postgres_servers() if only in f"Postgres {each.origin}"
    ]


def _kafka_jobs(only: str) -> list[Callable[[], Line]]:
    return [partial(_kafka, each) for each in KAFKAS if only in f"Kafka {each}"]


def _pooler_jobs(only: str) -> list[Callable[[], Line]]:
    return [
        partial(_pooler, each) for each in poolers.poolers() if only in f"PgBouncer {each.origin}"
    ]


def _postgres(each: Binaries) -> Line:
    if each.path is None:
        return Line("Postgres", each.origin, f"not tried: {each.missing}", None)
    name = "Postgres"
    try:
        with PostgresServer(binaries=each.path) as server:
            with psycopg.connect(server.url()) as link:
                number = link.info.server_version
            name = f"Postgres {number // 10_000}.{number % 10_000}"
            if number < OLDEST_SERVER * 10_000:
                refused = is_refused(server)
                words = "refused as too old" if refused else "FAILED: was not refused"
                return Line(name, each.origin, words, refused)
            with KafkaServer() as broker:
                return _told(name, each.origin, server, broker)
    except (ServerError, psycopg.Error) as error:
        return Line(name, each.origin, f"FAILED: {_short(error)}", is_good=False)


def _kafka(version: str) -> Line:
    name, origin = f"Kafka {version}", "Maven org.apache.kafka:kafka_2.13"
    try:
        jars.fetch(version)
    except ServerError as error:
        return Line(name, origin, f"not tried: {_short(error)}", None)
    try:
        with PostgresServer() as server, KafkaServer(version=version) as broker:
            return _told(name, origin, server, broker)
    except ServerError as error:
        return Line(name, origin, f"FAILED: {_short(error)}", is_good=False)


def _pooler(each: Binaries) -> Line:
    if each.path is None:
        return Line("PgBouncer", each.origin, f"not tried: {each.missing}", None)
    name = poolers.version(each.path)
    folder = Path(tempfile.mkdtemp(prefix="outbox-matrix-"))
    try:
        passed = poolers.run_tests(each.path, folder)
    except AssertionError as error:
        result = f"FAILED: {_short(error)}; logs: {folder.name}"
        return Line(name, each.origin, result, is_good=False)
    return Line(name, each.origin, f"works ({passed})", is_good=True)


def _told(name: str, origin: str, server: PostgresServer, broker: KafkaServer) -> Line:
    folder = Path(tempfile.mkdtemp(prefix="outbox-matrix-"))
    try:
        events = run_worker_tests(server, broker.bootstrap, folder)
    except AssertionError as error:
        return Line(name, origin, f"FAILED: {_short(error)}; logs: {folder.name}", is_good=False)
    return Line(name, origin, f"works ({events:,} events)", is_good=True)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:SHORT]


if __name__ == "__main__":
    main()
