"""How large the table of events is, and how fast it grows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from outbox_worker.doctor.finding import Finding, passed, warned
from outbox_worker.doctor.words import size
from outbox_worker.stores import doctor

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers
    from outbox_worker.stores.doctor import Day

LARGE_BYTES: Final = 1_000_000_000
"""A day below this is not worth a warning, however small the days before it were."""

TIMES: Final = 3
"""A day that is so many times the mean of the days before it is one to look at."""

DAYS: Final = 7


def look(servers: Servers) -> Finding:
    """Warns where today, which is not over, is several times as large as the days before."""
    with servers.reading() as link:
        days = doctor.list_days(link)
    today = datetime.now(UTC).date()
    now = sum(each.bytes for each in days if each.day == today)
    before = [each.bytes for each in days if each.day is not None and each.day < today][-DAYS:]
    seen = f"{size(sum(each.bytes for each in days))}, {_growth(days, now, before)}"
    mean = sum(before) / len(before) if before else now
    if now < LARGE_BYTES or now <= TIMES * mean:
        return passed(seen)
    return warned(
        seen,
        "See which topics grow, who writes them, and whether the disk of the database has room",
        'psql "$OUTBOX_DATABASE_URL" -c "SELECT topic, writer, count(*) FROM outbox.event '
        "WHERE created_at > now() - interval '10 min' GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 20\"",
    )


def _growth(days: list[Day], now: int, before: list[int]) -> str:
    kept = [each.day for each in days if each.day is not None and each.bytes]
    since = f" since {kept[0]}" if kept else ""
    mean = f", {size(sum(before) / len(before))} a day before" if before else ""
    return f"today {size(now)}{mean}{since}"
