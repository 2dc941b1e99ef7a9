"""Clusters on the servers that all tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import CliCluster
from tests.harness.cluster import showing_logs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def cluster(database: str, kafka_bootstrap_servers: str, tmp_path: Path) -> Iterator[CliCluster]:
    """A database of its own, two topics, no worker yet."""
    with showing_logs(CliCluster(database, kafka_bootstrap_servers, tmp_path)) as cluster:
        yield cluster
