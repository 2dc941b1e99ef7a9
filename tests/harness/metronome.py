"""A writer that is heard on every shard all the time, so that a silence can be measured."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Final, Self

import psycopg
from typing_extensions import override

if TYPE_CHECKING:
    from types import TracebackType

KEY_OF_EACH_SHARD: Final = """
    SELECT DISTINCT ON (shard) shard, key
    FROM (SELECT (hashtextextended('beat-' || n, 0) & 15)::int AS shard, 'beat-' || n AS key
          FROM generate_series(1, 1000) AS n) AS keys
    ORDER BY shard, key"""
INSERT: Final = """
    INSERT INTO outbox.event (topic, key, type, payload)
    VALUES (%(topic)s, %(key)s, 'beat.v1', %(payload)s)"""

JOIN_S: Final = 60.0


def topic_of(cluster: str, shard: int) -> str:
    """The topic of one shard: no other shard's open transaction holds up its readers."""
    return f"{cluster}.shard-{shard}"


class Metronome(threading.Thread):
    """Writes one event to each shard, at each beat. A context manager."""

    def __init__(self, url: str, cluster: str, beat_s: float = 0.05) -> None:
        """Beat every `beat_s` seconds."""
        super().__init__(name="metronome", daemon=True)
        self._url = url
        self._cluster = cluster
        self._beat_s = beat_s
        self._ending = threading.Event()
        self._failure: Exception | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        self.join(JOIN_S)
        if self._failure is not None and error is None:
            message = "the metronome stopped by itself"
            raise AssertionError(message) from self._failure

    @override
    def run(self) -> None:
        """Until the end of the block."""
        try:
            self._beat()
        except psycopg.Error as error:
            self._failure = error

    def _beat(self) -> None:
        beat = 0
        with psycopg.connect(self._url, autocommit=True) as connection:
            keys = connection.execute(KEY_OF_EACH_SHARD).fetchall()
            while not self._ending.wait(self._beat_s):
                beat += 1
                payload = json.dumps({"n": beat}).encode()
                values = [
                    {"topic": topic_of(self._cluster, shard), "key": key, "payload": payload}
                    for shard, key in keys
                ]
                with connection.transaction():
                    connection.cursor().executemany(INSERT, values)
