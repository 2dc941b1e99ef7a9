"""Every check, in the order in which a fault of one explains those of the next."""

from __future__ import annotations

from typing import Final

from outbox_worker.doctor import reach
from outbox_worker.doctor.check import Check, Needs
from outbox_worker.doctor.commands import denied, failing, hot_keys, oldest
from outbox_worker.doctor.group import dead_letters, held, lag, members, mirror
from outbox_worker.doctor.group import transactions as pending
from outbox_worker.doctor.kafka import anchor, limits
from outbox_worker.doctor.kafka import rights as kafka_rights
from outbox_worker.doctor.kafka import version as kafka_version
from outbox_worker.doctor.postgres import (
    clock,
    connections,
    default_partition,
    history,
    partitions,
    pooler,
    prepared,
    publications,
    purge,
    rights,
    schema,
    settings,
    size,
    transactions,
    version,
)
from outbox_worker.doctor.topics import configured, exist, leaders, replicas
from outbox_worker.doctor.topics import rights as topic_rights

POSTGRES: Final = Check("postgres.reached", Needs.POSTGRES, reach.see_postgres)
KAFKA: Final = Check("kafka.reached", Needs.KAFKA, reach.see_kafka)
"""These two say whether the others can be made."""

CHECKS: Final = (
    POSTGRES,
    Check("postgres.version", Needs.POSTGRES, version.look),
    Check("postgres.schema", Needs.POSTGRES, schema.look),
    Check("postgres.rights", Needs.POSTGRES, rights.look),
    Check("postgres.pooler", Needs.POSTGRES, pooler.look),
    Check("postgres.settings", Needs.POSTGRES, settings.look),
    Check("postgres.connections", Needs.POSTGRES, connections.look),
    Check("postgres.clock", Needs.POSTGRES, clock.look),
    Check("postgres.history", Needs.POSTGRES, history.look),
    Check("postgres.partitions", Needs.POSTGRES, partitions.look),
    Check("postgres.default_partition", Needs.POSTGRES, default_partition.look),
    Check("postgres.transactions", Needs.POSTGRES, transactions.look),
    Check("postgres.prepared", Needs.POSTGRES, prepared.look),
    Check("postgres.publications", Needs.POSTGRES, publications.look),
    Check("postgres.size", Needs.POSTGRES, size.look),
    Check("postgres.purge", Needs.POSTGRES, purge.look),
    KAFKA,
    Check("kafka.version", Needs.KAFKA, kafka_version.look),
    Check("kafka.rights", Needs.KAFKA, kafka_rights.look),
    Check("kafka.anchor", Needs.KAFKA, anchor.look),
    Check("kafka.transactions", Needs.KAFKA, limits.transactions),
    Check("kafka.sessions", Needs.KAFKA, limits.sessions),
    Check("kafka.metadata", Needs.KAFKA, limits.metadata),
    Check("kafka.offsets", Needs.KAFKA, limits.offsets),
    Check("topics.exist", Needs.BOTH, exist.look),
    Check("topics.rights", Needs.BOTH, topic_rights.look),
    Check("topics.leaders", Needs.BOTH, leaders.look),
    Check("topics.replicas", Needs.BOTH, replicas.look),
    Check("topics.sizes", Needs.BOTH, configured.sizes),
    Check("topics.compaction", Needs.BOTH, configured.compaction),
    Check("topics.retention", Needs.BOTH, configured.retention),
    # Before the others: what it finds has to be mended before a worker starts.
    Check("group.mirror", Needs.BOTH, mirror.look),
    Check("group.members", Needs.KAFKA, members.look),
    Check("group.shards", Needs.KAFKA, members.shards),
    Check("group.held", Needs.POSTGRES, held.look),
    Check("group.dead_letters", Needs.POSTGRES, dead_letters.look),
    Check("group.lag", Needs.POSTGRES, lag.look),
    Check("group.transactions", Needs.KAFKA, pending.look),
    Check("commands.rights", Needs.POSTGRES, denied.look),
    Check("commands.failing", Needs.POSTGRES, failing.look),
    Check("commands.oldest", Needs.POSTGRES, oldest.look),
    Check("commands.hot_keys", Needs.POSTGRES, hot_keys.look),
)
