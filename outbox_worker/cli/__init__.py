"""The command line `outbox-worker`: commands, and errors as messages with exit codes."""

from __future__ import annotations

import importlib
import io
import os
import sys
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

import click
from typing_extensions import override

from outbox_worker import __version__
from outbox_worker.cli.collector import without_collector
from outbox_worker.errors import OutboxError, WorkFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMANDS: Final[Mapping[str, str]] = {
    "migrate": "Make or update the schema in the database.",
    "run": "Execute commands and publish events until a signal comes.",
    "status": "Show each shard (owner, position, lag) and the queued commands.",
    "doctor": "Look for what is wrong in Postgres, in Kafka and with what waits.",
    "commands": "Show commands that failed, and have them tried again.",
    "purge": "Remove what is finished or published, and old.",
    "verify": "Compare the table with the topics: lost, duplicated, out of order.",
    "dead-letters": "List, park, redrive and discard events that cannot go out.",
    "rebase": "Find out by event id what is published, and set new positions.",
    "grant": "Let a role write to topics, submit commands or use the database.",
    "revoke": "Take back what grant gave.",
    "grants": "Show what each role may.",
    "tail": "Print the events of a topic as they come.",
    "contracts": "Write JSON Schemas and AsyncAPI of the application's events.",
    "demo": "Start servers, play a story, show what subscribers get.",
}
"""By name the line of `--help`. Each command is `command` in the module of its name."""


class Commands(click.Group):
    """Imports a command's module only when it is asked for: `--help` answers at once."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        with without_collector():
            module = importlib.import_module(f"outbox_worker.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    @override
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            found = get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {found[0]}?" if found else ""
            ctx.fail(f"No such command: {args[0]}.{hint}")
        return super().resolve_command(ctx, args)

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="outbox-worker")
def group() -> None:
    """Events committed in Postgres reach Kafka exactly once and in order.

    Settings are read from the environment; `outbox-worker run --help` lists them.
    """
    # --help needs none of it
    from outbox_worker.cli.options import warn_of_mistyped  # noqa: PLC0415
    from outbox_worker.settings import Settings  # noqa: PLC0415

    warn_of_mistyped(Settings)


def main() -> None:
    """The console script: run a command, end with the exit code of the contract."""
    _prepare_output()
    try:
        code = group.main(standalone_mode=False)
        if sys.stdout is not None:
            # What cannot be written is said here, and not while Python ends.
            sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(1)
    except BrokenPipeError:
        # The reader of our output went away.
        _give_up_output()
        sys.exit(1)
    except OSError as error:
        _give_up_output()
        _fail(WorkFailedError(f"The system refuses: {error}", "See that there is room, and rights"))
    except OutboxError as error:
        _fail(error)
    except Exception as error:  # noqa: BLE001  what is none of Postgres is raised again
        _fail(_of_database(error))
    else:
        sys.exit(code if isinstance(code, int) else 0)


def _of_database(error: Exception) -> OutboxError:
    """What an error of Postgres means; any other is a fault of ours, and is raised again.

    Imported here: `--version` and `--help` need no driver, which takes most of their time.
    """
    import psycopg  # noqa: PLC0415

    from outbox_worker.postgres import database  # noqa: PLC0415

    if isinstance(error, psycopg.Error):
        return database.failure(error)
    raise error


def _prepare_output() -> None:
    if sys.stderr is None:
        # Closed by whoever started us: logs and bars go nowhere, and the work continues.
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What a terminal has no character for, and half a surrogate pair, is shown escaped.
        sys.stdout.reconfigure(errors="backslashreplace")


def _give_up_output() -> None:
    """What could not be written is dropped: Python would complain again at exit."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(error: OutboxError) -> None:
    from outbox_worker.logs.safe_text import printable  # noqa: PLC0415  it knows the drivers' errors

    click.echo(f"error: {printable(error.message)}", err=True)
    if error.hint:
        click.echo(f"  hint: {printable(error.hint)}", err=True)
    sys.exit(error.exit_code)
