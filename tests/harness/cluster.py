"""A database, topics, a group of workers, a subscriber, and the checks at the end of a test.

Clusters share servers; each has its own database, topics and group, so that
several may run at once.
"""

from __future__ import annotations

import subprocess
import sys
import uuid
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import psycopg
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.harness.delivery import Differences, Row, compare
from tests.harness.subscriber import Subscriber
from tests.harness.waiting import patient, wait_until
from tests.harness.workers import COMMAND, ROOT, Worker, environment
from tests.harness.writers import Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

READ_ROWS: Final = (
    "SELECT id, event_id::text, shard, topic, key, payload, xid::text::bigint, "
    "coalesce(horizon, '0')::text::bigint FROM outbox.event ORDER BY id"
)

SHARDS: Final = frozenset(range(16))

TOPIC_S: Final = 60.0
CONNECT_S: Final = 60
CATCH_UP_S: Final = 40.0
"""From the end of a fault to the last event read: a session, a transaction's time-out, back-off."""

SETTLE_S: Final = 30.0
"""Until no transaction is open any more: the broker ends a dead one after 10 s plus its sweep."""

JOIN_S: Final = 60.0
COMMAND_S: Final = 60.0
SHOWN_LINES: Final = 60


class Cluster:
    """Everything that one test needs. A context manager: nothing outlives its block."""

    def __init__(self, url: str, bootstrap: str, folder: Path, **settings: str) -> None:
        """Use a migrated database; `settings` go to every worker (see `Worker`)."""
        self.url = url
        self.bootstrap = bootstrap
        self.folder = folder
        self.name = f"s{uuid.uuid4().hex[:8]}"
        self.admin = AdminClient(
            {"bootstrap.servers": bootstrap, "log_level": 0, "allow.auto.create.topics": False}
        )
        self.topics = [f"{self.name}.orders", f"{self.name}.notes"]
        self.topics_read = list(self.topics)
        self.started: list[Worker] = []
        self.settings = {
            "database_url": url,
            "kafka_bootstrap_servers": bootstrap,
            "group": self.name,
            "http_address": "",
            "log_level": "info",
            **settings,
        }
        self.home: int | None = None
        """The broker that gets all topics, where there are several; None: Kafka places them."""
        self._listening = ExitStack()
        self._workloads: list[Workload] = []
        self.subscriber: Subscriber

    def __enter__(self) -> Self:
        self.create_topics({topic: 4 - n for n, topic in enumerate(self.topics)})
        self._listen(self.topics_read)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self.started:
            worker.end()
        self._listening.close()

    def create_topics(self, partitions: Mapping[str, int], **config: str) -> None:
        """Make topics and wait until the broker has them."""
        orders = [
            NewTopic(topic, num_partitions=count, config=config, **self._placed(count))
            for topic, count in partitions.items()
        ]
        for future in self.admin.create_topics(orders).values():
            future.result(TOPIC_S)
        wait_until(
            lambda: all(self.partitions_of(each) == n for each, n in partitions.items()),
            TOPIC_S,
            "the topics are known",
        )

    def _placed(self, partitions: int) -> dict[str, Any]:
        if self.home is None:
            return {"replication_factor": 1}
        return {"replica_assignment": [[self.home]] * partitions}

    def listen_to(self, partitions: Mapping[str, int], **config: str) -> None:
        """Make further topics, and read them too, all from the beginning."""
        self.create_topics(partitions, **config)
        self.listen_to_existing(*partitions)

    def take_larger_events(self) -> None:
        """As an owner whose topics take larger records than Kafka's default."""
        with psycopg.connect(self.url) as connection:
            connection.execute(
                "UPDATE outbox.bound SET bytes = NULL WHERE rule = 'event_fits_a_record'"
            )

    def listen_to_existing(self, *topics: str) -> None:
        """Read these topics too, which somebody else made."""
        self.topics_read += topics
        self._listen(self.topics_read)

    def _listen(self, topics: Sequence[str]) -> None:
        self._listening.close()
        self.subscriber = self._listening.enter_context(Subscriber(self.bootstrap, topics))

    def worker(self, *arguments: str, **settings: str) -> Worker:
        """Start a worker with these arguments, the cluster's settings and these."""
        return self._start([COMMAND, "run", *arguments], settings)

    def worker_dying_at(self, point: str, death: str = "KILL", nth: int = 3) -> Worker:
        """Start a worker that dies, or freezes, at a point of its own (see `killpoints`)."""
        launcher = [sys.executable, "-m", "tests.harness.killpoints", death, point, str(nth)]
        return self._start([*launcher, "run"], {})

    def worker_dying_over_letters(self, point: str, death: str = "KILL", **settings: str) -> Worker:
        """Start a worker that dies, or freezes, over a dead letter (see `letter_kills`)."""
        launcher = [sys.executable, "-m", "tests.harness.letter_kills", death, point]
        return self._start([*launcher, "run"], settings)

    def worker_failing_on(self, kind: str) -> Worker:
        """Start a worker that can make no record of events of one type (see `failing_records`)."""
        return self._start([sys.executable, "-m", "tests.harness.failing_records", kind, "run"], {})

    def worker_abandoning_calls(self, seconds: float, calls: int, **settings: str) -> Worker:
        """Start a worker that abandons a few calls after a short time (see `short_timeouts`)."""
        launcher = [sys.executable, "-m", "tests.harness.short_timeouts", str(seconds), str(calls)]
        return self._start([*launcher, "run"], settings)

    def run(self, *arguments: str) -> str:
        """Run another command of the program to its end; returns what it printed."""
        done = subprocess.run(
            [COMMAND, *arguments],
            check=False,
            cwd=ROOT,
            env=environment(self.settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=patient(COMMAND_S),
        )
        assert done.returncode == 0, f"{arguments} ended with {done.returncode}: {done.stdout}"
        return done.stdout

    def move_to(self, url: str) -> None:
        """Use another database; workers that are started from now on connect to it."""
        self.url = self.settings["database_url"] = url

    def _start(self, arguments: Sequence[str], settings: Mapping[str, str]) -> Worker:
        name = f"worker-{len(self.started) + 1}"
        log = self.folder / f"{self.name}-{name}.log"
        worker = Worker(name, log, arguments, **{**self.settings, **settings})
        self.started.append(worker)
        return worker

    def workers(self, count: int, seconds: float = JOIN_S) -> list[Worker]:
        """Start some workers and wait until all that live share all shards."""
        started = [self.worker() for _ in range(count)]
        self.await_shards(seconds=seconds)
        return started

    def workload(self, seed: int = 1, **more: Any) -> Workload:  # noqa: ANN401  see `Workload`
        """Writers on this cluster's database, to be entered by the caller."""
        found = Workload(more.pop("url", self.url), self.topics, seed, **more)
        self._workloads.append(found)
        return found

    @property
    def alive(self) -> list[Worker]:
        """The workers whose processes are there."""
        return [worker for worker in self.started if worker.alive]

    @property
    def unexpected_exits(self) -> dict[str, int]:
        """Exit codes of workers that ended in another way than by our signals."""
        return {
            each.name: each.process.returncode for each in self.started if not each.ended_as_asked
        }

    def share_all_shards(self, workers: Iterable[Worker]) -> bool:
        """Whether these workers share all shards, each with at least one of them."""
        shares = [worker.shards for worker in workers]
        owned = [shard for share in shares for shard in share]
        return all(shares) and len(owned) == len(SHARDS) and set(owned) == SHARDS

    def await_shards(self, *workers: Worker, seconds: float = JOIN_S) -> None:
        """Wait until these (else all that live) share all shards, none being without one."""
        self._await(
            lambda: self.share_all_shards(workers or self.alive),
            seconds,
            "the workers share all shards",
        )

    def await_new(self, count: int) -> None:
        """Wait until so many events have been read that are written from now on."""
        written = self.rows().keys()
        self._await(
            lambda: len(self.subscriber.event_ids - written) >= count,
            CATCH_UP_S,
            f"{count} new events are read",
        )

    def _await(self, fact: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait for the workers; one that could not start is started again meanwhile."""

        def supervised() -> bool:
            for worker in self.started:
                worker.supervise()
            return fact()

        wait_until(supervised, seconds, what)

    def reads(self, topic: str) -> int:
        """How many records of the topic have been read."""
        return sum(record.topic == topic for record in tuple(self.subscriber.received))

    def partitions_of(self, topic: str) -> int:
        """How many partitions the topic has, 0 where there is none (asking makes none)."""
        found = self.admin.list_topics(topic, timeout=TOPIC_S).topics[topic]
        return 0 if found.error else len(found.partitions)

    def rows(self) -> dict[str, Row]:
        """The rows of the table, by event id."""
        with psycopg.connect(self.url, connect_timeout=CONNECT_S) as connection:
            return {row[1]: Row(*row) for row in connection.execute(READ_ROWS)}

    def await_more(self, count: int) -> None:
        """Wait until the subscriber has read so many records more than now."""
        received = self.subscriber.received
        enough = len(received) + count
        self._await(lambda: len(received) >= enough, CATCH_UP_S, f"{count} more events are read")

    def await_caught_up(self, seconds: float = CATCH_UP_S) -> dict[str, Row]:
        """Wait until everything in the table has been read; returns the table."""
        rows = self.rows()
        self._await(
            lambda: self.subscriber.has_all(rows), seconds, f"all {len(rows)} events are read"
        )
        return rows

    def assert_exactly_once(
        self, *, excused: Collection[str] = (), least: int = 500, serial: bool = True
    ) -> dict[str, Row]:
        """Stop the workers, and check that the subscriber has read every event once, in order.

        `least` guards against a test in which nothing happened. `serial`: see `compare`.
        Returns the table.
        """
        rows = self.await_caught_up()
        self.await_shards()
        self.stop_all()
        wait_until(self.subscriber.at_the_end, SETTLE_S, "no transaction is open")
        differences = self.differences(rows, excused, serial=serial)
        assert differences.empty, str(differences)
        for workload in self._workloads:
            workload.check()
            assert not excused or workload.ledger.committed <= rows.keys() | set(excused)
            assert excused or workload.ledger.committed <= rows.keys(), "the table lost a commit"
            assert not workload.ledger.rolled_back & rows.keys(), "the table kept a roll-back"
        assert len(rows) >= least, f"only {len(rows)} events were written"
        return rows

    def differences(
        self, rows: Mapping[str, Row], excused: Collection[str] = (), *, serial: bool = True
    ) -> Differences:
        """How the records read so far differ from the table."""
        return compare(rows, tuple(self.subscriber.received), excused, serial=serial)

    def stop_all(self) -> None:
        """SIGTERM to every living worker at once; each ends with code 0, and none has before."""
        assert not self.unexpected_exits, f"ended by themselves: {self.unexpected_exits}"
        living = self.alive
        for worker in living:
            worker.terminate()
        codes = {worker.name: worker.await_end() for worker in living}
        assert set(codes.values()) <= {0}, codes

    def show_logs(self) -> None:
        """Print the last log lines of each worker, and its stacks if it had to be aborted."""
        for worker in self.started:
            lines = worker.log.read_text(encoding="utf-8", errors="replace").splitlines()
            head = f"--- {worker.name} (pid {worker.process.pid}, exit {worker.process.poll()})"
            said = [line for line in lines if line.startswith("{")][-SHOWN_LINES:]
            # What ended it comes first, then the stacks of its threads.
            others = [line for line in lines if not line.startswith("{")]
            shown = others[:SHOWN_LINES] + others[SHOWN_LINES:][-SHOWN_LINES:]
            sys.stdout.write("\n".join([head, *said, *shown, ""]))


Shown = TypeVar("Shown", bound=Cluster)


@contextmanager
def showing_logs(cluster: Shown) -> Iterator[Shown]:
    """The cluster; at its end its workers' logs are printed, which pytest shows with a failure."""
    try:
        with cluster:
            yield cluster
    finally:
        cluster.show_logs()


def free_address() -> str:
    """An address of this machine with a port that is free just now."""
    import socket  # noqa: PLC0415

    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"
