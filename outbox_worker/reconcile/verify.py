"""The proof after the fact: the table against the topics as a subscriber reads them.

Positions are read before the topics: what they cover must be found. What is
published meanwhile is found without being covered, and counts as found. The ledger of
dead letters is read in between: an event that a position passed over stands in it by then,
and one that was redriven by then is found.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from outbox_worker.published import lookup
from outbox_worker.reconcile.topic_scan import Scan
from outbox_worker.stores import ledger
from outbox_worker.stores import scan as statements
from outbox_worker.stores.verify import Reach, TopicVerdict, judge_topics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from outbox_worker.published.committed import CommittedPosition
    from outbox_worker.settings import Settings
    from outbox_worker.stores import Connection

NOTHING: Final = (0,) * (len(TopicVerdict._fields) - 1)
"""The counts of no topic."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a comparison found, by topic, and records that carry no event.

    `made_again` has the topics that were deleted and made again, and about when: events from
    before count as no longer in the topic.
    """

    topics: list[TopicVerdict]
    records: int
    without_id: int
    made_again: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def total(self) -> TopicVerdict:
        """All topics together."""
        columns = list(zip(*(topic[1:] for topic in self.topics), strict=True))
        return TopicVerdict("all", *([sum(column) for column in columns] or NOTHING))

    @property
    def is_clean(self) -> bool:
        """Whether nothing is lost, duplicated or out of order."""
        total = self.total
        return not (total.lost or total.duplicated or total.out_of_order)


def run_once(
    settings: Settings,
    connection: Connection,
    size: Callable[[int], object],
    advance: Callable[[int], object],
) -> Report:
    """Compare all topics of the table; `size` hears how many offsets there are, `advance` of each.

    Writes nothing but a temporary table. `ServerError` where Kafka is away.
    """
    reach = {n: _reach(each) for n, each in lookup.known(settings, connection).items()}
    with connection.transaction():
        ledger.create_noted(connection)
        with closing(Scan(settings, statements.list_topics(connection))) as scan:
            ranges = scan.ranges()
            size(sum(each.end - each.first for each in ranges))
            scanned = scan.copy_into(connection, ranges, advance)
        verdicts = judge_topics(connection, reach, scanned.horizons)
    return Report(verdicts, scanned.records, scanned.without_id, scanned.made_again)


def as_json(report: Report) -> Mapping[str, object]:
    """The report as a script reads it."""
    return {
        **{name: value for name, value in report.total._asdict().items() if name != "topic"},
        "records": report.records,
        "records_without_id": report.without_id,
        "made_again": {name: when.isoformat() for name, when in report.made_again.items()},
        "topics": {topic.topic: _counts(topic) for topic in report.topics},
    }


def _counts(topic: TopicVerdict) -> dict[str, object]:
    return {name: value for name, value in topic._asdict().items() if name != "topic"}


def _reach(stored: CommittedPosition) -> Reach:
    backlog = stored.position.backlog
    return Reach(
        str(stored.position.seen),
        None if backlog is None else str(backlog.upper),
        None if backlog is None else backlog.cursor,
    )
