"""How large the next batch may be follows from what came of those before it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import pytest
from structlog.testing import capture_logs

from outbox_worker.relay import batch_size
from outbox_worker.relay.batch_size import RECORD_BYTES, BatchSize, weight
from outbox_worker.stores.outbox import Limits

if TYPE_CHECKING:
    from outbox_worker.position.row import EventRow

MOST: Final = Limits(10_000, 8_000_000)
TIMED_OUT_S: Final = 11.0


def rows(count: int, size: int, first: int = 1) -> list[EventRow]:
    """Events of so many bytes, the first with this id, over the shards in turn."""
    return [
        (n, 5, n % 16, f"{n:012x}", "orders", "k", "type", "text/plain", "", None, b"", size, "w")
        for n in range(first, first + count)
    ]


def batch(size: BatchSize, bytes_each: int) -> list[EventRow]:
    """As many events of this size as the next batch may hold."""
    limits = size.limits
    return rows(max(1, min(limits.rows, limits.bytes // max(1, bytes_each))), bytes_each)


@pytest.mark.parametrize("bytes_each", [0, 10, 1_000, 1_000_000])
@pytest.mark.parametrize("rate", [30_000, 100_000, 1_000_000])
def test_the_second_batch_fits_whatever_the_size_of_events_or_the_third_where_none_arrived(
    bytes_each: int, rate: int
) -> None:
    """Unless one event alone does not."""
    size, tries = BatchSize(MOST), 0
    found = batch(size, bytes_each)
    while tries < 4:
        seconds = weight(found) / rate
        if seconds < batch_size.TRANSACTION_S:
            break
        arrived = int(len(found) * batch_size.TRANSACTION_S / seconds)
        size.failed(found, TIMED_OUT_S, arrived)
        found = batch(size, bytes_each)
        tries += 1
    assert tries <= (1 if rate >= 100_000 else 2) or len(found) == 1


def test_where_nothing_arrived_the_second_batch_fits_through_100_kb_a_second() -> None:
    size = BatchSize(MOST)
    size.failed(batch(size, 1_000), TIMED_OUT_S, 0)
    assert weight(batch(size, 1_000)) / 100_000 < batch_size.TRANSACTION_S


def test_it_grows_back_to_the_settings_by_doubling_and_says_so_once() -> None:
    size = BatchSize(MOST)
    with capture_logs() as said:
        size.failed(batch(size, 1_000), TIMED_OUT_S, 0)
        size.failed(batch(size, 1_000), TIMED_OUT_S, 0)
        for _ in range(12):
            size.committed(batch(size, 1_000), 0.1)
    assert size.limits == MOST
    assert [line["event"] for line in said] == ["batches_shrunk", "batches_grown"]


def test_it_does_not_grow_by_batches_that_do_not_fill_it_or_take_long() -> None:
    size = BatchSize(MOST)
    size.failed(batch(size, 1_000), TIMED_OUT_S, 0)
    shrunk = size.limits
    size.committed(rows(1, 10), 0.1)
    size.committed(batch(size, 1_000), batch_size.TRANSACTION_S * batch_size.QUICK + 0.1)
    assert size.limits == shrunk


def test_a_batch_that_took_most_of_its_time_is_followed_by_a_smaller_one() -> None:
    size = BatchSize(MOST)
    found = batch(size, 1_000)
    size.committed(found, 8.0)
    assert weight(batch(size, 1_000)) <= weight(found) * 5 / 8
    assert not size.admits(found), "one that was read ahead is read anew"


def test_it_never_shrinks_below_the_least_and_a_quick_failure_changes_nothing() -> None:
    size = BatchSize(MOST)
    size.failed(batch(size, 1_000), 1.0, 0)
    assert size.limits == MOST
    for _ in range(20):
        size.failed(batch(size, 1_000), TIMED_OUT_S, 0)
    assert size.limits == Limits(batch_size.LEAST // 2 // RECORD_BYTES, batch_size.LEAST // 2)


def test_a_small_batch_that_times_out_says_nothing_about_the_link() -> None:
    size = BatchSize(MOST)
    size.failed(rows(1, 100), TIMED_OUT_S, 0)
    assert size.limits == MOST


def test_an_event_that_fails_alone_twice_rests_and_flows_after_its_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    size, alone = BatchSize(MOST), rows(1, 5_000_000)
    size.failed(alone, TIMED_OUT_S, 0)
    assert not size.too_slow(alone)
    size.failed(alone, TIMED_OUT_S, 0)
    found = size.too_slow([*alone, *rows(20, 10, first=2)])
    assert list(found) == [1]
    assert "5,000,000 bytes" in found[1].reason
    assert "orders" in found[1].hint
    now += batch_size.FIRST_REST_S
    assert not size.too_slow(alone), "it is tried again"
    size.failed(alone, TIMED_OUT_S, 0)
    now += batch_size.FIRST_REST_S
    assert size.too_slow(alone), "it rests longer each time"
    size.committed(alone, 3.0)
    assert not size.too_slow(alone)
    size.failed(alone, TIMED_OUT_S, 0)
    assert not size.too_slow(alone), "it begins anew"


def test_time_is_counted_in_that_of_a_transaction_whatever_the_broker_allows() -> None:
    size, found = BatchSize(MOST, transaction_s=4.0), batch(BatchSize(MOST), 1_000)
    size.failed(found, 3.0, 0)
    assert size.limits == MOST
    size.failed(found, 3.3, 0)
    assert weight(batch(size, 1_000)) <= weight(found) / batch_size.BLIND
