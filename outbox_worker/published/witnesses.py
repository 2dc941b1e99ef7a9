"""What the table says about positions and those of the mirror; see `position.validity`."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from outbox_worker.position import validity
from outbox_worker.position.codec import decode
from outbox_worker.position.position import system_digest
from outbox_worker.stores import dead_letter, mirror, outbox, server

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from outbox_worker.position.position import Position, Witness
    from outbox_worker.stores import Connection

HINT: Final = "run `outbox-worker rebase` (it shows its plan) and `outbox-worker rebase --execute`"
"""What mends a lost history."""

BY_ID: Final = attrgetter("id")


def table_for(connection: Connection, positions: Iterable[Position]) -> validity.Table:
    """The table's side, with the rows that these positions name as their witnesses."""
    ids = sorted({witness.id for each in positions for witness in each.witnesses})
    # In this order: a row that is dropped in between lies below the watermark then.
    found = outbox.find_witness(connection, ids)
    identity = server.read_identity(connection)
    return validity.Table(
        system=system_digest(identity.system),
        fresh=identity.fresh,
        found={id_: (xid, event_id) for id_, xid, event_id in found},
        purged_id=identity.purged_id,
        purged_xid=identity.purged_xid,
    )


class Witnesses(NamedTuple):
    """Published rows that stand in the table: with the highest xid, with the highest id."""

    top: Witness
    last: Witness


def newest(connection: Connection, known: Iterable[Position]) -> Witnesses | None:
    """What was published last, by any worker, as far as `known` and the mirror say.

    None where nothing was.
    """
    held = [*known, *(decode(row.position) for row in mirror.list_positions(connection))]
    table = table_for(connection, held)
    standing = [
        witness
        for position in held
        if not validity.why_invalid(position, table)
        for witness in position.witnesses
        if witness.id in table.found
    ]
    if not standing:
        return None
    return Witnesses(max(standing), max(standing, key=BY_ID))


def invalid(connection: Connection, held: Mapping[int, Position]) -> dict[int, str]:
    """By shard why its position is of another history; none where all stand.

    So it is, too, where the ledger of dead letters has lost writes on which it rests: it passed
    events over that nothing names as parked any more.
    """
    table = table_for(connection, held.values())
    resting = [shard for shard, position in held.items() if position.ledger]
    ledgers = dead_letter.list_shards(connection, resting) if resting else {}
    reasons = {
        shard: validity.why_invalid(position, table)
        or (validity.why_ledger_fails(ledgers[shard].number, position) if shard in ledgers else "")
        for shard, position in held.items()
    }
    return {shard: reason for shard, reason in reasons.items() if reason}


def invalid_in_mirror(connection: Connection) -> dict[int, str]:
    """By shard why its position in the mirror is of another history; none where all stand.

    What the views and `purge` take for published they take from the mirror: of a shard
    named here that says nothing.
    """
    held = {row.shard: decode(row.position) for row in mirror.list_positions(connection)}
    return invalid(connection, held)


def in_words(lost: Mapping[int, str]) -> str:
    """One sentence about shards that are lost, without its full stop."""
    first = min(lost)
    others = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
    return (
        f"The positions are of another history than the table: shard {first}{others}: {lost[first]}"
    )
