"""What an application has done from time to time, and what it says of itself at a scrape."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from prometheus_client.metrics_core import Metric

Session: TypeAlias = psycopg.Connection[tuple[Any, ...]]
"""A connection of the engine's, in autocommit mode."""


@dataclass(frozen=True, slots=True)
class JobRun:
    """One call of a job: its session, the time, the prefix of topics, the application's settings.

    `settings` is what the application's class of settings made of the environment, None where
    it has none.
    """

    connection: Session
    now: datetime
    topic_prefix: str
    settings: Any


@dataclass(frozen=True, slots=True)
class Job:
    """Work that waits in the database, done by whichever worker comes to it first.

    `run_once` does a bounded part of it in transactions of its own and returns counts of what it
    did, an empty mapping where nothing is left. It is called again until then, for about a
    second; then `every_s` seconds later. Any number of workers do so at once. `options` are
    settings of its sessions. Counts are logged as `job_done`, of a quiet job at debug.
    """

    name: str
    run_once: Callable[[JobRun], Mapping[str, int]]
    every_s: float
    options: Mapping[str, str] = field(default_factory=dict)
    is_quiet: bool = False


@dataclass(frozen=True, slots=True)
class Numbers:
    """Metrics that are asked of the database at each scrape, within a second.

    `describe` gives the same families without samples, so that nobody else takes their names.
    """

    read: Callable[[Session], Iterable[Metric]]
    describe: Callable[[], Iterable[Metric]]
