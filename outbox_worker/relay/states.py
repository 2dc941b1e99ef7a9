"""What each shard of a worker does now, in one word, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outbox_worker.settings import SHARDS
from outbox_worker.stores.shard_state import ShardState, State

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from outbox_worker.errors import HistoryLostError
    from outbox_worker.relay.cohorts import Cohorts
    from outbox_worker.relay.kafka_status import Subject

LOOK: Final = "See the brokers, OUTBOX_KAFKA_BOOTSTRAP_SERVERS, and `outbox-worker doctor`"
ALL: Final = frozenset[str]({"broker", "membership", "transaction"})
"""Where one of these fails, nothing goes out, whatever else is in the way."""


def of_shards(
    owned: Collection[int],
    served: Collection[int],
    cohorts: Cohorts,
    faults: Mapping[Subject, str],
    refusal: HistoryLostError | None,
) -> dict[int, ShardState]:
    """By shard that is ours; all 16 where we serve none because we may not or cannot.

    `faults` is what is wrong with Kafka, by what was tried.
    """
    if refusal is not None:
        return _all(range(SHARDS), ShardState(State.REFUSING, refusal.message, refusal.hint))
    away = ShardState(State.KAFKA_AWAY, ", ".join(sorted(set(faults.values()))), LOOK)
    if not owned:
        return _all(range(SHARDS), away) if faults else {}
    if faults.keys() & ALL:
        return _all(owned, away)
    found = _all(
        set(owned) - set(served),
        ShardState(State.NO_POSITION, faults.get("positions"), LOOK),
    )
    for cohort in cohorts:
        held = cohort.hold
        if held is not None:
            state = ShardState(
                State.HELD, held.reason, held.hint, held.id, held.event_id, held.topic
            )
        elif "topics" in faults:
            state = away
        else:
            state = ShardState(State.UP_TO_DATE if cohort.upper is None else State.CATCHING_UP)
        found |= {shard: state for shard in cohort.stands if shard in owned}
    return found


def _all(shards: Collection[int], state: ShardState) -> dict[int, ShardState]:
    return dict.fromkeys(sorted(shards), state)
