"""The cluster of a soak, and what its faults act upon."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Final, Self

from outbox_worker.local.kafka import KafkaServer
from outbox_worker.local.ports import HOST, free_port
from tests.harness.cluster import Cluster
from tests.harness.databases import make_database, through
from tests.harness.proxy import Proxy
from tests.harness.streaming import StreamingPair
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    import random
    from pathlib import Path
    from types import TracebackType

    from tests.harness.workers import Worker
    from tests.harness.writers import Workload

CATCH_UP_S: Final = 90.0
SETTLE_S: Final = 40.0


class SoakCluster:
    """A broker and a pair of Postgres servers, both with proxies, and one cluster on them.

    A context manager. Workers come and go; after every round the subscriber's records
    are compared with the table as a whole.
    """

    def __init__(self, rng: random.Random, folder: Path) -> None:
        """Draw everything from `rng`; logs go to `folder`."""
        self.rng = rng
        self.folder = folder
        self.pair = StreamingPair()
        port = free_port()
        self.kafka = KafkaServer(proxied_port=port)
        self.kafka_proxy = Proxy((HOST, self.kafka.behind_proxy), rng.getrandbits(32), port)
        self.excused: set[str] = set()
        self._stack = ExitStack()
        self._writing: list[Workload] = []

    def __enter__(self) -> Self:
        enter = self._stack.enter_context
        enter(self.kafka)
        enter(self.kafka_proxy)
        enter(self.pair)
        primary = (HOST, self.pair.primary.port)
        self.postgres_proxy = enter(Proxy(primary, self.rng.getrandbits(32)))
        url = self.pair.url(make_database(self.pair.primary))
        self.cluster = enter(Cluster(url, self.kafka.bootstrap, self.folder))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def start_writing(self) -> None:
        """Begin a workload of random size."""
        workload = self.cluster.workload(
            self.rng.getrandbits(32),
            writers=self.rng.randint(1, 4),
            pause_s=self.rng.choice([0.0, 0.01, 0.03, 0.1]),
        )
        self._writing.append(workload.__enter__())

    def stop_writing(self) -> None:
        """End the workload that runs."""
        self._writing[-1].__exit__(None, None, None)

    def start_worker(self) -> Worker:
        """A worker with random settings, by way of the proxies or not."""
        settings = {"batch_rows": self.rng.choice(["3", "50", "10000"])}
        if self.rng.random() < 0.4:
            settings["kafka_bootstrap_servers"] = f"{HOST}:{self.kafka_proxy.port}"
        if self.rng.random() < 0.4:
            settings["database_url"] = through(self.cluster.url, self.postgres_proxy.port)
        return self.cluster.worker(**settings)

    @property
    def ready(self) -> list[Worker]:
        """Those that live and have started: before, Python itself answers a signal."""
        return [worker for worker in self.cluster.alive if worker.said("started")]

    def keep_workers(self, count: int) -> None:
        """See that `count` workers live and share all shards."""
        living = self.cluster.alive
        for worker in living[count:]:
            wait_until(partial(worker.said, "started"), CATCH_UP_S, "a worker has started")
            worker.terminate()
        for worker in living[count:]:
            assert worker.await_end() == 0
        for _ in range(count - len(living)):
            self.start_worker()
        self.cluster.await_shards(seconds=CATCH_UP_S)

    def fail_over(self) -> None:
        """The standby takes over, for those behind the proxy too."""
        self.pair.fail_over()
        self.postgres_proxy.redirect((HOST, self.pair.standby.port))

    def excuse_losses(self) -> None:
        """Take note of what a fail-over lost: it may have been read."""
        written: set[str] = set()
        for workload in self._writing:
            written |= workload.ledger.committed | workload.ledger.unknown
        self.excused |= written - self.cluster.rows().keys()

    def pause(self, shortest: float, longest: float) -> None:
        """Let things continue for a random time, in seconds."""
        threading.Event().wait(self.rng.uniform(shortest, longest))

    def assert_delivered(self) -> int:
        """All that is committed has been read, once and in order; returns how many events."""
        cluster = self.cluster
        rows = cluster.await_caught_up(CATCH_UP_S)
        cluster.await_shards(seconds=CATCH_UP_S)
        wait_until(cluster.subscriber.at_the_end, SETTLE_S, "no transaction is open")
        differences = cluster.differences(rows, self.excused)
        assert differences.empty, str(differences)
        assert not cluster.unexpected_exits, f"ended by themselves: {cluster.unexpected_exits}"
        return len(rows)
