"""The codec of the records as it lies in the broker's log, which is as clients are sent it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from outbox_worker.local.kafka import KafkaServer
    from tests.harness.cluster import Cluster

pytestmark = pytest.mark.slow

INSERT: Final = """
    INSERT INTO outbox.event (topic, key, type, payload)
    SELECT %s, 'key', 'thing.changed.v1', convert_to(repeat('the same again ', 100), 'UTF8')
    FROM generate_series(1, 100)"""

CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
"""In the order of their numbers in a record batch."""

FIXED: Final = 12
LENGTH_AT: Final = 8
ATTRIBUTES_AT: Final = 21
CODEC_BITS: Final = 0x7
CONTROL_BIT: Final = 0x20


def codecs(log: Path) -> set[str]:
    """The codecs of a partition's record batches (format 2), those of markers left out."""
    data, at, found = log.read_bytes(), 0, set()
    while at + ATTRIBUTES_AT < len(data):
        length = int.from_bytes(data[at + LENGTH_AT : at + FIXED])
        attributes = int.from_bytes(data[at + ATTRIBUTES_AT : at + ATTRIBUTES_AT + 2])
        if not length:
            break
        if not attributes & CONTROL_BIT:
            found.add(CODECS[attributes & CODEC_BITS])
        at += FIXED + length
    return found


@pytest.mark.parametrize("setting", ["", "zstd"])
def test_records_are_compressed_by_the_codec_that_is_set_and_by_none_without(
    own_kafka: KafkaServer, own_broker_cluster: Cluster, setting: str
) -> None:
    cluster = own_broker_cluster
    worker = cluster.worker(compression=setting)
    with psycopg.connect(cluster.url) as connection:
        connection.execute(INSERT, (cluster.topics[0],))
    cluster.await_caught_up()
    worker.terminate()
    assert worker.await_end() == 0
    logs = (own_kafka.directory / "data").glob(f"{cluster.topics[0]}-*/*.log")
    found = set[str]().union(*map(codecs, logs))
    assert found == {setting or "none"}


def test_a_codec_in_both_places_ends_the_worker_with_code_2(
    own_broker_cluster: Cluster, tmp_path: Path
) -> None:
    file = tmp_path / "kafka.properties"
    file.write_text("compression.type=lz4\n")
    worker = own_broker_cluster.worker(compression="gzip", kafka_properties=str(file))
    assert worker.await_end() == 2
    said = worker.log.read_text()
    assert "OUTBOX_COMPRESSION" in said
    assert "hint" in said
