"""A real Kafka broker of our own: transactions, groups and fencing as in production.

One node in KRaft mode on the loopback interface. librdkafka's mock cluster is not
transactional and proves nothing; only the demo may fall back to it, and says so.
"""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import tempfile
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from outbox_worker.errors import ServerError
from outbox_worker.local import jars
from outbox_worker.local.guard import Guard
from outbox_worker.local.ports import HOST, free_port, wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from outbox_worker.kafka.config import Config

VERSION: Final = jars.VERSION
START_S: Final = 120.0
STOP_S: Final = 20.0

NEEDED: Final[Mapping[str, str]] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "INSIDE",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
}
"""What one node needs in order to be a cluster; all else is as Kafka comes."""

QUICK: Final[Mapping[str, str]] = {
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
}
"""What spares seconds at the start of a broker and of a group, and nothing else."""


SECOND: Final[Mapping[str, str]] = {"process.roles": "broker", "node.id": "2"}
"""What makes a node one more broker of the cluster that it joins."""


class KafkaServer:
    """One broker with its data in a directory of its own, which goes with it.

    Clients find it at `bootstrap`. `proxied_port` is a second listener that says
    it lives at that port of the loopback interface: a proxy there sees all that a
    client sends, whose bootstrap address is the proxy's.
    """

    def __init__(
        self,
        *,
        settings: Mapping[str, str] | None = None,
        proxied_port: int | None = None,
        as_it_comes: bool = False,
        joins: KafkaServer | None = None,
        version: str = VERSION,
    ) -> None:
        """Take further broker settings and a release; nothing runs before `start`.

        `as_it_comes` leaves all to Kafka's defaults but what one node needs. One that `joins`
        another is the second node of its cluster, a broker and no controller.
        """
        jars.need_java()
        self._jars = jars.fetch(version)
        self.directory = Path(tempfile.mkdtemp(prefix="outbox-kafka-"))
        self.port = free_port()
        self.behind_proxy = free_port()
        self.cluster: str = joins.cluster if joins else _new_cluster()
        self.controller: int = joins.controller if joins else free_port()
        self._settings = {
            **NEEDED,
            "listeners": f"INSIDE://{HOST}:{self.port},BEHIND://{HOST}:{self.behind_proxy}"
            + ("" if joins else f",CONTROLLER://{HOST}:{self.controller}"),
            "advertised.listeners": f"INSIDE://{HOST}:{self.port},"
            f"BEHIND://{HOST}:{proxied_port or self.behind_proxy}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,INSIDE:PLAINTEXT,"
            "BEHIND:PLAINTEXT",
            "controller.quorum.voters": f"1@{HOST}:{self.controller}",
            "log.dirs": str(self.directory / "data"),
            **({} if as_it_comes else QUICK),
            **(SECOND if joins else {}),
            **(settings or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._guard = Guard()
        self._guard.remove(self.directory)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def bootstrap(self) -> str:
        """The bootstrap address."""
        return f"{HOST}:{self.port}"

    def start(self) -> None:
        """Start it, on the data that is there or on new; returns when it answers."""
        if not self._config().exists():
            self._format()
        with (self.directory / "kafka.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._java("-Xms512m", "-Xmx768m"), "kafka.Kafka", str(self._config())],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._guard.watch(self._process.pid, signal.SIGKILL)
        if not wait_until_ready(self._is_ready, START_S):
            raise ServerError(f"The local Kafka did not start:\n{self.log_text()[-2000:]}")

    def stop(self) -> None:
        """Stop it in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it like a machine that fails."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Stop its clock: it neither answers nor closes a connection."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it continue after `pause`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it and remove its data."""
        self.kill()
        self._guard.close()

    def log_text(self) -> str:
        """What it logged so far."""
        log = self.directory / "kafka.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def _config(self) -> Path:
        return self.directory / "server.properties"

    def _java(self, *flags: str) -> list[str]:
        # Without its file of performance data, which the kernel may hold up with the disk
        # for seconds, and with the libraries that it unpacks where they are removed.
        own = ("-XX:-UsePerfData", f"-Djava.io.tmpdir={self.directory}")
        return ["java", *own, *flags, "-cp", f"{self._jars}{os.sep}*"]

    def _format(self) -> None:
        lines = (f"{name}={value}\n" for name, value in self._settings.items())
        self._config().write_text("".join(lines))
        done = subprocess.run(
            [
                *self._java("-XX:TieredStopAtLevel=1", "-Xshare:auto"),
                *("kafka.tools.StorageTool", "format", f"--cluster-id={self.cluster}"),
                *("--config", str(self._config())),
            ],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if done.returncode:
            words = done.stdout.decode(errors="replace")[-2000:]
            raise ServerError(f"The local Kafka's storage was not formatted: {words}")

    def _is_ready(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise ServerError(f"The local Kafka ended:\n{self.log_text()[-2000:]}")
        # librdkafka would say on standard error that nobody answers yet.
        quiet: Config = {"bootstrap.servers": self.bootstrap, "log_level": 0}
        with suppress(KafkaException):
            return bool(AdminClient(quiet).list_topics(timeout=1).brokers)
        return False

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._guard.forget(process.pid)


def _new_cluster() -> str:
    """The id of a cluster that there has not been before."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
