"""Whether somebody removes what is published, finished and old."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from outbox_worker.doctor.finding import Finding, passed, warned
from outbox_worker.stores import doctor

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers

OLD_DAYS: Final = 35
"""Purge runs daily, and few keep events for longer than a month."""


def look(servers: Servers) -> Finding:
    """Warns where the oldest day of events, or the oldest finished command, is older than that.

    When purge ran last stands nowhere: what it would take first tells.
    """
    with servers.reading() as link:
        days = [each.day for each in doctor.list_days(link) if each.day is not None]
        oldest = doctor.find_oldest(link)
    today = datetime.now(UTC).date()
    ages = {"day of events": (today - days[0]).days} if days else {}
    if oldest.finished_at is not None:
        ages["finished command"] = (today - oldest.finished_at.astimezone(UTC).date()).days
    seen = ", ".join(f"the oldest {what} is {max(age, 0)} days old" for what, age in ages.items())
    if not oldest.was_purged:
        seen = f"{seen or 'nothing is there'}; purge has removed no event so far"
    if max(ages.values(), default=0) <= OLD_DAYS:
        return passed(seen)
    return warned(
        seen,
        "See whether purge runs once a day with a login that has outbox_purge, and ends with 0; "
        "a day with an unpublished event stays (see group.lag)",
        "outbox-worker purge --older-than-days N --dry-run",
    )
