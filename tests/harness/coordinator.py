"""A cluster whose group has its coordinator on a broker of its own, which can bar producers.

What the coordinator then does to librdkafka is real: `send_offsets_to_transaction` looks for a
connection to it for good, whatever time-out it was given, while the worker stays in the group.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from outbox_worker.local.kafka import KafkaServer
from outbox_worker.local.ports import HOST, free_port
from tests.harness.cluster import Cluster
from tests.harness.detour import TXN_OFFSET_COMMIT, Detour
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outbox_worker.kafka.config import Config
    from tests.harness.workers import Worker

ADMIN_S: Final = 60.0
POSITIONS: Final = "__consumer_offsets"
PARTITIONS: Final = 4

HANGS: Final = "NO_ANSWER: librdkafka did not return from a transaction"

THREADS_OF_A_CALL: Final = 8
"""One that hangs keeps itself, its producer's main thread, and one for each broker, for the
addresses that it was given, for both coordinators: 6 were seen on two brokers."""

MEGABYTES_OF_A_CALL: Final = 12
"""2 were seen."""


@dataclass(frozen=True)
class Usage:
    """What a process takes."""

    threads: int
    megabytes: int

    def is_back(self, before: Usage) -> bool:
        """Whether no call is left behind: its threads are gone.

        A new producer may have a thread more for a broker that the first did not know yet.
        """
        return self.threads <= before.threads + 2

    def within(self, calls: int, before: Usage) -> bool:
        """Whether that is so much more, at most, as so many calls that hang keep."""
        threads = before.threads + calls * THREADS_OF_A_CALL
        megabytes = before.megabytes + calls * MEGABYTES_OF_A_CALL
        return self.threads <= threads and self.megabytes <= megabytes


def usage(worker: Worker) -> Usage:
    """Of a living worker, as the kernel counts it."""
    text = Path(f"/proc/{worker.process.pid}/status").read_text(encoding="ascii")
    found = dict(line.split(":", 1) for line in text.splitlines())
    return Usage(int(found["Threads"]), int(found["VmRSS"].split()[0]) // 1024)


def peak_until_it_ends(worker: Worker, seconds: float) -> Usage:
    """The most threads and memory that were seen until the process ended by itself."""
    seen: list[Usage] = []

    def ended() -> bool:
        if not worker.alive:
            return True
        # One that is just ending has no memory any more.
        with suppress(KeyError):
            seen.append(usage(worker))
        return False

    wait_until(ended, seconds, "the worker ends")
    return Usage(max(each.threads for each in seen), max(each.megabytes for each in seen))


def hung(worker: Worker) -> int:
    """How many calls it has left behind so far."""
    reasons = [str(line.get("reason")) for line in worker.lines()]
    return sum(HANGS in reason for reason in reasons)


@dataclass(frozen=True)
class Coordinated:
    """The cluster, and where its workers find the brokers."""

    cluster: Cluster
    bootstrap: str
    _detour: Detour

    def bar_producers(self) -> None:
        """The coordinator answers the members of the group, and no producer."""
        self._detour.bar(TXN_OFFSET_COMMIT)

    def let_in(self) -> None:
        """It answers all."""
        self._detour.unbar()


@contextmanager
def coordinated(first: KafkaServer, url: str, folder: Path) -> Iterator[Coordinated]:
    """Records and transactions on the first broker, which is new; positions on a second one."""
    bootstrap: Config = {"bootstrap.servers": first.bootstrap}
    admin = AdminClient(bootstrap)
    Producer({**bootstrap, "transactional.id": "first"}).init_transactions(ADMIN_S)
    port = free_port()
    with (
        KafkaServer(joins=first, proxied_port=port) as second,
        Detour((HOST, second.behind_proxy), port) as detour,
    ):
        wait_until(lambda: len(admin.list_topics(timeout=ADMIN_S).brokers) == 2, ADMIN_S, "both")
        compacted = {"cleanup.policy": "compact"}
        places = [[2]] * PARTITIONS
        order = NewTopic(POSITIONS, PARTITIONS, replica_assignment=places, config=compacted)
        admin.create_topics([order])[POSITIONS].result(ADMIN_S)
        cluster = Cluster(url, first.bootstrap, folder)
        cluster.home = 1
        with cluster:
            yield Coordinated(cluster, f"{HOST}:{first.behind_proxy}", detour)
