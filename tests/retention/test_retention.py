"""Purge removes what is finished and old, whatever stands beside it, and says so before."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outbox_school import retention
from outbox_school.stores import retention as statements
from outbox_school.stores import tally
from outbox_worker.application import Span
from outbox_worker.application.retention import BEGINNING
from outbox_worker.purge import finished
from tests.retention.dataset import Batch, Dataset, Early, RecordedProgress, counted, sizes

if TYPE_CHECKING:
    from outbox_worker.purge.finished import Purged
    from outbox_worker.stores import Connection

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)
BOTH = ("GUEST", "REGULAR")

AGES = st.sampled_from([0.0, 0.5, 1.0, 1.001, 2.0, 6.999, 7.0, 7.001, 30.0, 400.0])
BATCHES = st.builds(
    Batch,
    class_type=st.sampled_from(BOTH),
    age=st.none() | AGES,
    slots=st.integers(1, 4),
    excess=st.integers(0, 3),
    failures=st.integers(0, 2),
)
EARLY = st.builds(Early, age=AGES, content=st.integers(0, 3), failures=st.integers(0, 3))


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    """Batches, rows that wait for none, for one batch each at most, and commands."""
    batches = draw(st.lists(BATCHES, max_size=6))
    unborn = draw(st.lists(EARLY, max_size=4))
    chosen = draw(st.sets(st.integers(0, len(batches) - 1))) if batches else set()
    born = [Early(draw(AGES), 1, 1, of=each) for each in sorted(chosen)]
    return Dataset(batches, [*unborn, *born], draw(st.lists(st.none() | AGES, max_size=5)))


def order(days: int, *class_types: str) -> finished.FinishedCutoff:
    return finished.FinishedCutoff.of_days(days, retention.sweeps(class_types), NOW)


def run(link: Connection, wanted: finished.FinishedCutoff, *, dry_run: bool = False) -> Purged:
    return finished.run_once(link, wanted, RecordedProgress(), dry_run=dry_run)


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    dataset=datasets(),
    days=st.sampled_from([1, 2, 7, 30]),
    class_types=st.sampled_from([("GUEST",), ("REGULAR",), BOTH]),
    chunk=st.sampled_from([1, 2, 1_000]),
)
def test_purge_removes_what_the_dry_run_says_and_leaves_the_rest(
    shared: Connection, dataset: Dataset, days: int, class_types: tuple[str, ...], chunk: int
) -> None:
    dataset.write(shared, NOW)
    purged, left = dataset.expected_after_purge(days, class_types)
    before = sizes(shared)
    assert before == dataset.sizes()
    assert run(shared, order(days, *class_types), dry_run=True) == purged
    assert sizes(shared) == before
    with pytest.MonkeyPatch.context() as patch:
        for name in ("BATCHES", "SLOTS", "EARLY"):
            patch.setattr(retention, f"CHUNK_{name}", chunk)
        patch.setattr(finished, "CHUNK_COMMANDS", chunk)
        progress = RecordedProgress()
        assert finished.run_once(shared, order(days, *class_types), progress) == purged
    assert progress.rows == sum(progress.totals.values())
    assert sizes(shared) == left.sizes()
    for row in tally.list_tally(shared):
        assert (row.active, row.completed) == counted(shared, row.class_type)
        assert row.purged == purged.rows.get(f"{row.class_type} batches", 0)
    again = run(shared, order(days, *class_types))
    assert again == Dataset().expected_after_purge(days, class_types)[0]


def test_age_is_strict_and_measured_from_the_moment_given(link: Connection) -> None:
    Dataset([Batch("GUEST", 1.0), Batch("GUEST", 1.000_001)], (), [1.0, 1.000_001]).write(link, NOW)
    done = run(link, order(1, "GUEST"))
    assert (done.rows["GUEST batches"], done.rows["finished commands"]) == (1, 1)


def test_no_transaction_deletes_more_than_its_share(link: Connection) -> None:
    Dataset([Batch("GUEST", 9, slots=40)] * 10, (), ()).write(link, NOW)
    span = Span(BEGINNING, NOW)
    with link.transaction():
        assert len(statements.claim_batches(link, "GUEST", span, 200, 100)) == 3
    with link.transaction():
        assert len(statements.claim_batches(link, "GUEST", span, 2, 100)) == 2
    with link.transaction():
        assert len(statements.claim_batches(link, "GUEST", span, 200, 1)) == 1
