"""Every check, in the order in which a fault of one explains those of the next."""

from __future__ import annotations

from typing import Final

from outbox_worker.doctor import reach
from outbox_worker.doctor.check import Check, Needs
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
)
