"""`outbox-worker doctor`."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import click

from outbox_worker import logs, settings
from outbox_worker.application.loading import load
from outbox_worker.cli.options import DATABASE, GROUP, KAFKA, settings_help

if TYPE_CHECKING:
    from typing import NoReturn


@click.command("doctor", epilog=settings_help((*DATABASE, *KAFKA, *GROUP, "application")))
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def command(*, as_json: bool) -> None:
    """Look for what is wrong, in Postgres, in Kafka and with what waits; say what to do.

    The first line is the verdict with the line that mends it. Exit code 1 where a check
    fails. Writes nothing, joins no group, and ends within 15 s, also where a server is away
    or does not answer: it shows what it could still see. Give it the settings of the worker.
    """
    found = settings.load()
    logs.set_up(found.log_level, values=found.log_values == "on")
    found.need_database()
    found.need_kafka()
    tables = load(found.application).tables
    from outbox_worker.doctor import report  # noqa: PLC0415  --help needs none of it
    from outbox_worker.doctor.examine import examine  # noqa: PLC0415
    from outbox_worker.doctor.servers import Servers  # noqa: PLC0415

    results = examine(Servers(found, tables))
    shown = json.dumps(report.as_json(results)) if as_json else report.as_text(results)
    click.echo(shown)
    _leave(report.exit_code(results))


def _leave(code: int) -> NoReturn:
    """End the process, whatever hangs in a client library: threads that were left behind."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
