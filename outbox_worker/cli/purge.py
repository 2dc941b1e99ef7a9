"""`outbox-worker purge`."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click
import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from typing_extensions import override

from outbox_worker import settings
from outbox_worker.application.loading import load
from outbox_worker.cli.options import DATABASE, settings_help
from outbox_worker.errors import OutboxError, SettingsError, WorkFailedError
from outbox_worker.logs import safe_text
from outbox_worker.postgres import access, database, migrations
from outbox_worker.purge import events, finished
from outbox_worker.stores import last_purge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import TaskID

NAME: Final = "outbox-worker purge"


class PurgeCommand(click.Command):
    """Has the option of the application's retention, where that has one, beside its own."""

    @override
    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        found = super().get_params(ctx)
        retention = None
        # What is wrong is said by the command itself; --help is there in any case.
        with suppress(SettingsError):
            retention = load(settings.load().application).retention
        if retention is None or not retention.option:
            return found
        option = click.Option(
            [f"--{retention.option}", "choice"],
            type=click.Choice(retention.values),
            default=retention.default,
            show_default=True,
            help=retention.help,
        )
        return [found[0], option, *found[1:]]


@click.command(
    "purge", cls=PurgeCommand, epilog=settings_help((*DATABASE, "application", "log_values"))
)
@click.option(
    "--older-than-days",
    type=click.IntRange(1, settings.MOST_DAYS),
    required=True,
    help="remove what finished longer ago; of events whole UTC days",
)
@click.option(
    "--idempotency-days",
    type=click.IntRange(1, settings.MOST_DAYS),
    default=30,
    show_default=True,
    help="forget idempotency keys older than this",
)
@click.option("--dry-run", is_flag=True, help="print the same table, change nothing")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def command(
    older_than_days: int,
    idempotency_days: int,
    *,
    dry_run: bool,
    as_json: bool,
    choice: str = "",
) -> None:
    """Remove what is finished and old.

    Finished commands, published events, idempotency keys, and what the application names.
    What is not published or not finished always stays; so do days with dead letters about
    which nobody has decided (`outbox-worker dead-letters list`), and every event after a
    fail-over, restore or dump that lost what was published: run `outbox-worker rebase` first.
    Safe beside running workers, and to be interrupted: run it again.
    """
    found = settings.load()
    safe_text.show_values(shown=found.log_values == "on")
    url = found.need_database()
    now = datetime.now(UTC)
    application = load(found.application)
    retention = application.retention
    published = events.EventCutoff.of_days(older_than_days, idempotency_days, now)
    sweeps = () if retention is None else retention.sweeps(choice)
    old = finished.FinishedCutoff.of_days(older_than_days, sweeps, now)
    report = _Report(dry_run=dry_run, as_json=as_json)
    with report.shown_at_the_end(), shown_progress() as bars:
        with database.connect(url, application=NAME, options=finished.OPTIONS) as link:
            access.need(link, "purge")
            migrations.check(link, application.tables)
            report.begun = True
            report.old = finished.run_once(link, old, bars, dry_run=dry_run, done=report.old)
        with database.connect(url, application=NAME, options=events.OPTIONS) as link:
            events.run_once(link, published, bars.say, dry_run=dry_run, done=report.purged)
            if not (dry_run or report.old.in_use):
                last_purge.write_run(link, older_than_days)
    if report.old.in_use:
        kept = ", ".join(f"{rows} {what}" for what, rows in report.old.in_use.items())
        raise WorkFailedError(
            f"{kept} stay in use by others",
            "What is done stays done; run purge again when long transactions have ended",
        )


@dataclass(slots=True)
class _Report:
    """What was done so far. It is shown whatever ends the work."""

    dry_run: bool
    as_json: bool
    begun: bool = False
    old: finished.Purged = field(default_factory=finished.Purged)
    purged: events.Purged = field(default_factory=events.Purged)

    @contextmanager
    def shown_at_the_end(self) -> Iterator[None]:
        """Show it when the block has ended; where it never got to work, only raise."""
        try:
            yield
        except KeyboardInterrupt:
            raise self._shown(
                WorkFailedError("Interrupted", "What is done stays done; run it again")
            ) from None
        except psycopg.Error as fault:
            raise self._shown(database.failure(fault)) from fault
        except OutboxError as error:
            self._shown(error)
            raise
        self._show(None)

    def _shown(self, error: OutboxError) -> OutboxError:
        self._show(error)
        return error

    def _show(self, error: OutboxError | None) -> None:
        if error is not None and not self.begun:
            return
        if self.as_json:
            click.echo(json.dumps(self._as_json(error)))
        elif error is None or not self.dry_run:
            Console().print(self._as_table(error))

    def _as_json(self, error: OutboxError | None) -> dict[str, object]:
        """Of a dry run that failed only that: what is not counted would look like nothing."""
        failed = {} if error is None else {"error": str(error)}
        if failed and self.dry_run:
            return {"dry_run": True, **failed}
        return {"dry_run": self.dry_run, **_as_json(self.purged, self.old), **failed}

    def _as_table(self, error: OutboxError | None) -> Table:
        title = "purge, dry run: nothing is changed" if self.dry_run else "purge"
        return _as_table(self.purged, self.old, title if error is None else f"{title}, cut short")


class Bars:
    """One bar for each kind of rows, on a terminal; elsewhere nothing."""

    def __init__(self, progress: Progress) -> None:
        """Show on `progress`."""
        self._progress = progress
        self._task: TaskID | None = None
        self._said: TaskID | None = None

    def begin(self, what: str, total: int) -> None:
        """A new bar."""
        self._task = self._progress.add_task(what, total=total)

    def advance(self, rows: int) -> None:
        """Move it on."""
        if self._task is not None:
            self._progress.advance(self._task, rows)

    def say(self, what: str) -> None:
        """A bar that only shows that something is going on."""
        if self._said is not None:
            self._progress.remove_task(self._said)
        self._said = self._progress.add_task(what, total=None)


@contextmanager
def shown_progress() -> Iterator[Bars]:
    """Bars on standard error while the block lasts."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        yield Bars(progress)


def _as_json(purged: events.Purged, old: finished.Purged) -> dict[str, object]:
    return {
        "removed": old.rows,
        "in_use": old.in_use,
        "days": {str(day): events for day, events in purged.days.items()},
        "kept_unpublished": {str(day): events for day, events in purged.kept.items()},
        "kept_dead_letters": {str(day): events for day, events in purged.parked.items()},
        "default_partition_events": purged.default_events,
        "idempotency_keys": purged.keys,
        "dead_letters": purged.dead_letters,
    }


def _as_table(purged: events.Purged, old: finished.Purged, title: str) -> Table:
    table = Table(title=title)
    table.add_column("what")
    table.add_column("removed", justify="right")
    table.add_column("kept: not all published", justify="right")
    for what, rows in old.rows.items():
        table.add_row(what, str(rows), "")
    for day, rows in sorted({**purged.days, **purged.kept}.items()):
        gone = day in purged.days
        parked = f" ({purged.parked[day]} dead letters)" if day in purged.parked else ""
        table.add_row(
            f"events of {day} (about)", str(rows if gone else 0), f"{0 if gone else rows}{parked}"
        )
    table.add_row("events of the default partition", str(purged.default_events), "")
    table.add_row("idempotency keys", str(purged.keys), "")
    table.add_row("decided dead letters", str(purged.dead_letters), "")
    if purged.parked:
        table.caption = (
            "Dead letters keep their days until somebody redrives or discards them: "
            "outbox-worker dead-letters list"
        )
    return table
