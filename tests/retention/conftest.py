"""A session as `purge` opens it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from outbox_worker.postgres import database as connections
from outbox_worker.purge import finished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outbox_worker.stores import Connection


@pytest.fixture
def link(database: str) -> Iterator[Connection]:
    """The session of a purge, on a database of this test alone."""
    with connections.connect(database, application="purge", options=finished.OPTIONS) as link:
        yield link


@pytest.fixture(scope="module")
def shared(migrated_database_url: str) -> Iterator[Connection]:
    """The session of a purge, on a database that the tests of a module share."""
    url = migrated_database_url
    with connections.connect(url, application="purge", options=finished.OPTIONS) as link:
        yield link
