"""Logs: JSON lines for machines, coloured text for people, always on standard error.

One line for each change of state, none for an event. Loggers are structlog's;
callers say `log.info("shards_assigned", shards=[1, 2])`.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

from outbox_worker.logs import safe_text

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from structlog.typing import ExcInfo, WrappedLogger


def set_up(level: str, *, values: bool = False) -> None:
    """Send the program's log lines to standard error from `level` (a lower-case name) on.

    `values` says whether messages of errors may hold values of rows, in the whole process.
    Control characters are escaped whatever it says.
    """
    safe_text.show_values(shown=values)
    people = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        # Its own tracebacks would hold the values of variables.
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if people
        else structlog.processors.JSONRenderer()
    )
    tracebacks = structlog.processors.ExceptionRenderer(_trace_for_people if people else _trace)
    # A pool of connections tells of each attempt; we say once that the database is away.
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _printable,
            tracebacks,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _printable(
    _: WrappedLogger, __: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The line without control characters: a writer may have chosen what stands in it."""
    return {name: safe_text.printable_in(value) for name, value in line.items()}


def _trace(exc_info: ExcInfo) -> list[dict[str, Any]]:
    return safe_text.trace(exc_info[1])


def _trace_for_people(exc_info: ExcInfo) -> str:
    return safe_text.as_text(_trace(exc_info))
