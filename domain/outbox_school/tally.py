"""How many batches there are: a tally, kept short, that a scrape reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from outbox_school.stores import tally
from outbox_worker.application import Job, Numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prometheus_client.metrics_core import Metric

    from outbox_school.stores.tally import Tally
    from outbox_worker.application import JobRun, Session

INTERVAL_S: Final = 10.0
"""How often it is looked at: at 1,000 batches a second a scrape then reads 20,000 rows, 2 ms."""

LEAST_ROWS: Final = 200
"""Fewer are not worth a write: reading them takes 0.1 ms."""

CHUNK_ROWS: Final = 20_000

OPTIONS: Final[Mapping[str, str]] = {
    "lock_timeout": "1s",
    "statement_timeout": "30s",
    "jit": "off",
}


def fold(run: JobRun) -> dict[str, int]:
    """Fold a chunk of the tally where it is long; a chunk that is not full is the last."""
    folded = tally.fold_tally(run.connection, LEAST_ROWS, CHUNK_ROWS)
    return {"rows": folded} if folded else {}


def read(connection: Session) -> Iterator[Metric]:
    """Active, completed and purged batches by class type, as the metrics of a scrape."""
    return families(tally.list_tally(connection))


def families(rows: Sequence[Tally]) -> Iterator[Metric]:
    """The metrics of these sums."""
    active = GaugeMetricFamily(
        "huleedu_batches_active", "Batches not completed yet", labels=["class_type"]
    )
    completed = GaugeMetricFamily(
        "huleedu_batches_completed", "Batches completed and not purged yet", labels=["class_type"]
    )
    purged = CounterMetricFamily(
        "batches_purged", "Batches that purge has removed, ever", labels=["class_type"]
    )
    for row in rows:
        active.add_metric([row.class_type], row.active)
        completed.add_metric([row.class_type], row.completed)
        purged.add_metric([row.class_type], row.purged)
    yield from (active, completed, purged)


def describe() -> Iterator[Metric]:
    """The same metrics without a number."""
    return families([])


JOB: Final = Job("tally", fold, INTERVAL_S, OPTIONS, is_quiet=True)
NUMBERS: Final = Numbers(read, describe)
