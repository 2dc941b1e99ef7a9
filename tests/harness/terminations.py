"""Ends backends of Postgres at random, of workers and of writers alike."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import psycopg

if TYPE_CHECKING:
    import random

BACKENDS: Final = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend'
      AND pid <> pg_backend_pid()
    ORDER BY pid"""
TERMINATE: Final = "SELECT pg_terminate_backend(%s)"

EVERY_S: Final = 0.25


def terminate_backends(url: str, rng: random.Random, over: threading.Event, least: int = 0) -> None:
    """End one backend of the database after the other until `over`, and `least` of them."""
    count, pause = 0, threading.Event()
    with psycopg.connect(url, autocommit=True) as connection:
        while count < least or not over.is_set():
            pause.wait(EVERY_S)
            pids = [row[0] for row in connection.execute(BACKENDS)]
            if pids:
                connection.execute(TERMINATE, (rng.choice(pids),))
                count += 1
