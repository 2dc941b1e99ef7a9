"""Shards whose next event cannot go out, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outbox_worker.doctor.finding import Finding, failed, passed
from outbox_worker.doctor.words import duration, shards
from outbox_worker.stores import doctor

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers
    from outbox_worker.stores.doctor import HeldEvent

MOST: Final = 4


def look(servers: Servers) -> Finding:
    """Fails where a worker wrote down that a shard waits."""
    with servers.reading() as link:
        found = doctor.list_holds(link)
    if not found:
        return passed("no worker holds a shard")
    by_reason: dict[str, list[HeldEvent]] = {}
    for each in found:
        by_reason.setdefault(each.reason, []).append(each)
    words = [_words(reason, events) for reason, events in list(by_reason.items())[:MOST]]
    more = f"; and {len(by_reason) - MOST} more reasons" if len(by_reason) > MOST else ""
    hints = list(dict.fromkeys(each.hint for each in found if each.hint))[:MOST]
    remedy = "; ".join(hints) or "Mend what the reason names (see the checks of topics)"
    return failed(
        f"{'; '.join(words)}{more}",
        f"{remedy.rstrip('.')}. The shard then continues. "
        "If its topic can never take the event: docs/operations.md, An event that can never go out",
    )


def _words(reason: str, events: list[HeldEvent]) -> str:
    first = events[0]
    event = f"event {first.event_id} (id {first.id}) to {first.topic}" if first.topic else "gone"
    held = shards([each.shard for each in events])
    return f"{held} for {duration(first.seconds)}: {reason} [{event}]"
