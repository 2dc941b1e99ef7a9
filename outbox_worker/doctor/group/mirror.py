"""The mirror in Postgres beside the positions in Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outbox_worker.doctor.finding import Finding, failed, passed, warned
from outbox_worker.doctor.words import named, shards
from outbox_worker.position.codec import UnreadablePositionError
from outbox_worker.published import offsets
from outbox_worker.published.committed import from_offset
from outbox_worker.settings import SHARDS
from outbox_worker.stores import doctor, mirror

if TYPE_CHECKING:
    from datetime import datetime

    from outbox_worker.doctor.servers import Servers
    from outbox_worker.stores.mirror import Mirrored

LATE_S: Final = 60.0
"""Workers write the mirror about once a second."""

REBASE: Final = ("outbox-worker rebase", "outbox-worker rebase --execute")


def look(servers: Servers) -> Finding:
    """Fails where Kafka has older positions than the mirror, none, or those of somebody else."""
    # In this order: what was mirrored is in Kafka by then.
    with servers.reading() as link:
        rows = {each.shard: each for each in mirror.list_positions(link)}
        now = doctor.find_server(link).now
    group = servers.settings.group
    others = sorted({each.group_name for each in rows.values()} - {group})
    if others:
        return failed(
            f"the group {named(others, 3)} publishes this table, not {group}",
            "Set OUTBOX_GROUP to that of the workers; to rename a group, see docs/operations.md, "
            "After a fail-over, a restore or a dump",
        )
    batches, foreign = _batches(servers, group)
    if foreign:
        return failed(
            f"the offsets of {shards(foreign)} are not those of a worker",
            "Somebody reset or committed the offsets of the group: stop the workers, and run",
            *REBASE,
        )
    gone = [shard for shard in rows if shard not in batches]
    behind = [shard for shard, row in rows.items() if batches.get(shard, row.batch) < row.batch]
    if behind:
        return failed(
            f"Kafka has older positions than the mirror for {shards(behind)}",
            "Somebody reset the offsets of the group, or Kafka lost them: stop the workers, run",
            *REBASE,
        )
    if gone:
        return failed(
            f"Kafka has no position for {shards(gone)}: the mirror says where they stood",
            "Before a worker starts, have rebase look into the topics: by the mirror, a worker may "
            "repeat events of the second before a worker was killed. Offsets go after "
            "offsets.retention.minutes without members, and with the group",
            *REBASE,
        )
    return _late(rows, batches, (now - _newest(rows)).total_seconds() if rows else 0.0)


def _late(rows: dict[int, Mirrored], batches: dict[int, int], seconds: float) -> Finding:
    mirrored = {shard: row.batch for shard, row in rows.items()}
    ahead = [shard for shard, batch in batches.items() if batch > mirrored.get(shard, -1)]
    if ahead and seconds > LATE_S:
        return warned(
            f"Kafka is ahead of the mirror for {shards(ahead)}, not written for {seconds:.0f} s",
            "status, the views and purge go by the mirror: see upkeep_failed in the workers' logs",
        )
    return passed(f"{len(batches)} positions in Kafka, {len(rows)} in the mirror")


def _newest(rows: dict[int, Mirrored]) -> datetime:
    return max(each.updated_at for each in rows.values())


def _batches(servers: Servers, group: str) -> tuple[dict[int, int], list[int]]:
    """By shard the counter of Kafka's position; and the shards whose offset no worker wrote."""
    found: dict[int, int] = {}
    foreign = []
    for place in offsets.list_offsets(servers.admin, group, range(SHARDS), stable=False):
        try:
            stored = from_offset(place)
        except UnreadablePositionError:
            foreign.append(place.partition)
            continue
        if stored is not None:
            found[place.partition] = stored.batch
    return found, foreign
