"""What a running worker counts, for Prometheus. No label ever holds an id or a key."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1, 2.5, 5, 10, 30, 60, 300, 3600),
)
SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 100_000)


MOST_TOPICS: Final = 500
"""Topics with a label of their own. Writers choose names; a time series of Prometheus is kept for
each, in every worker and in every server that scrapes it."""

OTHER: Final = "other"
"""The label of all topics beyond these."""


class RelayMetrics:
    """The relay's counters, in a registry of their own so that two never mix."""

    def __init__(self, registry: CollectorRegistry) -> None:  # long: one metric, one line
        """Register every metric in `registry`."""
        self.published = Counter(
            "outbox_events_published", "Events committed to Kafka", ["topic"], registry=registry
        )
        self.parked = Counter(
            "outbox_events_parked", "Events that became dead letters", ["topic"], registry=registry
        )
        self.batch_events = Histogram(
            "outbox_batch_events", "Events in one transaction", buckets=SIZES, registry=registry
        )
        self.transaction_seconds = Histogram(
            "outbox_transaction_seconds",
            "Begin to outcome of one Kafka transaction",
            ["outcome"],
            buckets=SECONDS,
            registry=registry,
        )
        self.insert_to_commit_seconds = Histogram(
            "outbox_insert_to_commit_seconds",
            "Insert in Postgres to commit in Kafka of the oldest event of each transaction",
            buckets=SECONDS,
            registry=registry,
        )
        self.read_seconds = Histogram(
            "outbox_read_seconds", "One read of the table", buckets=SECONDS, registry=registry
        )
        self.unpublished = Gauge(
            "outbox_unpublished_events", "Events not yet published, all shards", registry=registry
        )
        self.oldest_seconds = Gauge(
            "outbox_oldest_unpublished_age_seconds",
            "Age of the oldest event not yet published, all shards",
            registry=registry,
        )
        self.events_bytes = Gauge(
            "outbox_events_bytes", "Table of events on disk, with indexes", registry=registry
        )
        self.oldest_partition = Gauge(
            "outbox_oldest_partition_timestamp_seconds",
            "When the oldest day of the table of events began",
            registry=registry,
        )
        self.last_purge = Gauge(
            "outbox_last_purge_timestamp_seconds",
            "When purge last did all of its work",
            registry=registry,
        )
        self.shards_owned = Gauge(
            "outbox_shards_owned", "Shards that Kafka gave this worker", registry=registry
        )
        self.shards_served = Gauge(
            "outbox_shards_served",
            "Shards of this worker whose position is known: events go out as they come",
            registry=registry,
        )
        self.shards_held = Gauge(
            "outbox_shards_held",
            "Shards of this worker that wait until somebody acts: topic missing or record refused",
            registry=registry,
        )
        self.shards = Gauge(
            "outbox_shards", "Shards of this worker by what they do", ["state"], registry=registry
        )
        self.rebalances = Counter(
            "outbox_rebalances", "Changes of the group that reached us", registry=registry
        )
        self.takeovers = Counter(
            "outbox_takeovers", "Open transactions of dead workers aborted by us", registry=registry
        )
        self.aborts = Counter(
            "outbox_aborts", "Transactions that were not committed", ["reason"], registry=registry
        )
        self.reconnects = Counter(
            "outbox_reconnects", "Connections made anew", ["peer"], registry=registry
        )
        self._topics: set[str] = set()

    def count_published(self, topic: str, events: int) -> None:
        """Events of a topic were committed: under its name, or `OTHER` once there are too many."""
        self.published.labels(self._label(topic)).inc(events)

    def count_parked(self, topic: str, events: int) -> None:
        """Events of a topic were parked: under a name as in `count_published`."""
        self.parked.labels(self._label(topic)).inc(events)

    def _label(self, topic: str) -> str:
        if topic not in self._topics:
            if len(self._topics) >= MOST_TOPICS:
                topic = OTHER
            self._topics.add(topic)
        return topic
