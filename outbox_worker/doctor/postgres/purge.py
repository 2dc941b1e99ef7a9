"""Whether somebody removes what is published, finished and old."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from outbox_worker.doctor.finding import Finding, passed, warned
from outbox_worker.doctor.words import duration
from outbox_worker.stores import doctor, last_purge

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers

OLD_DAYS: Final = 35
"""Purge runs daily, and few keep events for longer than a month."""

MISSED_S: Final = 3 * 86_400.0
"""It ran once, and did not for three days."""


def look(servers: Servers) -> Finding:
    """Warns where it ran and no longer does, or what it would take first is old."""
    with servers.reading() as link:
        days = [each.day for each in doctor.list_days(link) if each.day is not None]
        oldest = doctor.find_oldest(link)
        last = last_purge.find_run(link)
    today = datetime.now(UTC).date()
    ages = {"day of events": (today - days[0]).days} if days else {}
    if oldest.finished_at is not None:
        ages["finished command"] = (today - oldest.finished_at.astimezone(UTC).date()).days
    seen = ", ".join(f"the oldest {what} is {max(age, 0)} days old" for what, age in ages.items())
    if not oldest.was_purged:
        seen = f"{seen or 'nothing is there'}; purge has removed no event so far"
    if last is not None:
        seen = f"it last did its work {duration(last.seconds)} ago, as {last.written_by}; {seen}"
    is_missed = last is not None and last.seconds > MISSED_S
    if max(ages.values(), default=0) <= OLD_DAYS and not is_missed:
        return passed(seen)
    return warned(
        seen,
        "See whether purge runs once a day with a login that has outbox_purge, and ends with 0; "
        "a day with an unpublished event stays (see group.lag)",
        "outbox-worker purge --older-than-days N --dry-run",
    )
