"""librdkafka's mock cluster: it shows the flow where there is neither Java nor Docker.

It is not transactional: aborted records stay visible and zombies are not fenced.
It proves nothing, and only the demonstration may use it.

The cluster runs in threads of this process. The Python client starts one only
with four partitions to each topic; the C functions of the library that the client
brought (rdkafka_mock.h) take any number.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import confluent_kafka

from outbox_worker.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

RD_KAFKA_PRODUCER: Final = 0
BROKERS: Final = 1


class MockCluster:
    """A cluster that runs, at the address `bootstrap`."""

    def __init__(self, library: ctypes.CDLL, cluster: int) -> None:
        """Wrap what `open_mock` made."""
        self._library = library
        self._cluster = ctypes.c_void_p(cluster)
        self.bootstrap: str = library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def create_topic(self, topic: str, partitions: int) -> None:
        """Make a topic that is not there yet."""
        code = self._library.rd_kafka_mock_topic_create(
            self._cluster, topic.encode(), ctypes.c_int(partitions), ctypes.c_int(BROKERS)
        )
        if code:
            raise ServerError(f"The mock cluster did not make topic {topic}: code {code}")


@contextmanager
def open_mock() -> Iterator[MockCluster]:
    """A mock cluster for as long as the block lasts; `ServerError` where it cannot be made."""
    library = _load()
    fault = ctypes.create_string_buffer(512)
    config = ctypes.c_void_p(library.rd_kafka_conf_new())
    # It would tell standard error that it knows no broker: it makes them.
    library.rd_kafka_conf_set(config, b"log_level", b"0", fault, len(fault))
    client = library.rd_kafka_new(RD_KAFKA_PRODUCER, config, fault, len(fault))
    if not client:
        raise ServerError(f"librdkafka made no client: {fault.value.decode()}")
    cluster = library.rd_kafka_mock_cluster_new(ctypes.c_void_p(client), BROKERS)
    try:
        yield MockCluster(library, cluster)
    finally:
        library.rd_kafka_mock_cluster_destroy(ctypes.c_void_p(cluster))
        library.rd_kafka_destroy(ctypes.c_void_p(client))


def _load() -> ctypes.CDLL:
    """The librdkafka that the client brought along, else the system's."""
    package = Path(confluent_kafka.__file__).parent
    places = (package.parent / "confluent_kafka.libs", package / ".dylibs")
    found = [str(path) for place in places for path in sorted(place.glob("librdkafka*"))]
    name = found[0] if found else ctypes.util.find_library("rdkafka")
    if name is None:
        raise ServerError(
            "No local Kafka, and no librdkafka for a mock cluster either",
            "Install Java 17 and Maven, or Docker, or name a broker in OUTBOX_LOCAL_KAFKA",
        )
    library = ctypes.CDLL(name)
    for function in ("conf_new", "new", "mock_cluster_new"):
        getattr(library, f"rd_kafka_{function}").restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return library
