"""Transactions in Kafka that do not end, and hold positions or topics."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from outbox_worker.doctor.finding import Finding, passed, warned
from outbox_worker.doctor.words import shards
from outbox_worker.published import offsets
from outbox_worker.settings import SHARDS

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers

LOOK_AGAIN_S: Final = 2.0
"""A transaction of a healthy worker has ended by then, and its position has moved."""


def look(servers: Servers) -> Finding:
    """Warns where the positions of a shard are pending, and the same twice."""
    group, every = servers.settings.group, range(SHARDS)
    first = offsets.held_shards(servers.admin, group, every)
    if not first:
        return passed("no position is pending")
    before = _positions(servers, group)
    threading.Event().wait(LOOK_AGAIN_S)  # nobody tells when a transaction ends
    after = _positions(servers, group)
    stuck = [
        shard
        for shard in sorted(offsets.held_shards(servers.admin, group, first))
        if before.get(shard) == after.get(shard)
    ]
    if not stuck:
        return passed("those that were open have ended")
    return warned(
        f"a transaction holds the positions of {shards(stuck)} for {LOOK_AGAIN_S:.0f} s or more",
        "A dead worker's ends by itself within 20 s. If this stays, Kafka cannot end it: bring "
        "back the broker of a partition that it wrote to (topics.leaders, transaction_undecided)",
        "kafka-transactions.sh --bootstrap-server BROKER:9092 list",
    )


def _positions(servers: Servers, group: str) -> dict[int, str]:
    found = offsets.list_offsets(servers.admin, group, range(SHARDS), stable=False)
    return {each.partition: each.metadata or "" for each in found}
