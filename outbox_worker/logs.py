"""Logs: JSON lines for machines, coloured text for people, always on standard error.

One line for each change of state, none for an event. Loggers are structlog's;
callers say `log.info("shards_assigned", shards=[1, 2])`.
"""

from __future__ import annotations

import logging
import sys

import structlog


def set_up(level: str) -> None:
    """Send the program's log lines to standard error from `level` (a lower-case name) on."""
    people = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if people else structlog.processors.JSONRenderer()
    )
    # Never with the values of variables: among them are payloads and a password.
    transformer = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    tracebacks = [] if people else [structlog.processors.ExceptionRenderer(transformer)]
    # A pool of connections tells of each attempt; we say once that the database is away.
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *tracebacks,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
