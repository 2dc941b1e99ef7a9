"""What has to be true at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from outbox_worker.demo import subscriber
from outbox_worker.postgres import database, migrations
from outbox_worker.reconcile import verify
from outbox_worker.reconcile.topic_scan import SCAN_OPTIONS
from outbox_worker.stores import demo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outbox_worker.application.demo import Pick, Story
    from outbox_worker.demo.place import Place
    from outbox_worker.kafka.subscribe import Event


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was done, what subscribers got, and what `verify` found."""

    story: Story
    report: verify.Report
    commands: dict[str, int]
    events: Sequence[Event]
    came_out: int
    """Of what was rolled back."""

    @property
    def is_right(self) -> bool:
        """Whether each command was executed once, and each event told once and in order."""
        total = self.report.total
        return (
            self.report.is_clean
            and self.commands == self.story.commands
            and total.events == total.found == len(self.events) == self.story.events
            # A rolled-back event that got out would be a record that is not in the table.
            and total.strangers == self.came_out == 0
        )

    def of(self, pick: Pick) -> list[Event]:
        """The events of a pick, in the order in which they were read."""
        found = [each for each in self.events if each.headers.get("ce_type") in pick.types]
        return found[: pick.most]


def judge(place: Place, story: Story) -> Verdict:
    """Read the topics twice: as a subscriber does, and as `outbox-worker verify` does."""
    events = subscriber.read(place.settings, place.topics)
    gone = list(story.rolled_back)
    with database.connect(place.url, application="demo", options=SCAN_OPTIONS) as link:
        migrations.check(link)
        commands = demo.count_commands(link)
        executed = demo.list_outcomes(link, gone)
        report = verify.run_once(place.settings, link, lambda _: None, lambda _: None)
    told = [event for event in events if event.key in set(map(str, gone))]
    return Verdict(story, report, commands, events, len(executed) + len(told))
