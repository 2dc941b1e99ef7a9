"""Whatever real broker this machine can offer: a given one, Java's, or Docker's."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from outbox_worker.errors import ServerError
from outbox_worker.local import jars
from outbox_worker.local.kafka import KafkaServer

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE: Final = "OUTBOX_LOCAL_KAFKA"
IMAGE: Final = "confluentinc/cp-kafka:7.9.0"
DOCKER_S: Final = 10.0


def have_docker() -> bool:
    """Whether a Docker engine answers here."""
    if shutil.which("docker") is None:
        return False
    try:
        done = subprocess.run(
            ["docker", "info"], check=False, capture_output=True, timeout=DOCKER_S
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


@contextmanager
def open_broker() -> Iterator[str]:
    """The bootstrap address of a real broker, for as long as the block lasts.

    Tries OUTBOX_LOCAL_KAFKA, Java with Maven, Docker; `ServerError` says what
    to install where there is none of them.
    """
    given = os.environ.get(VARIABLE)
    if given:
        yield given
    elif jars.have_java():
        with KafkaServer() as server:
            yield server.bootstrap
    elif have_docker():
        from testcontainers.kafka import KafkaContainer  # noqa: PLC0415  an extra

        container = (
            KafkaContainer(IMAGE)
            .with_kraft()
            .with_env("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1")
            .with_env("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1")
        )
        with container as started:
            yield started.get_bootstrap_server()
    else:
        raise ServerError(
            "No local Kafka: neither Java 17 with Maven nor Docker is here", jars.INSTALL
        )
