"""What a worker shows of itself: its build, and what its process takes."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import confluent_kafka
import psycopg
from prometheus_client import Gauge, ProcessCollector

from outbox_worker import __version__

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


def show_process(registry: CollectorRegistry) -> None:
    """Register the build (a gauge that is always 1) and the metrics of the process.

    The latter are those that every client of Prometheus has; they are there on Linux only.
    """
    build = Gauge(
        "outbox_build_info",
        "Always 1; the labels say what runs",
        ["version", "python", "psycopg", "librdkafka"],
        registry=registry,
    )
    librdkafka, _ = confluent_kafka.libversion()
    build.labels(__version__, platform.python_version(), psycopg.__version__, librdkafka).set(1)
    ProcessCollector(registry=registry)
