"""A row of the table of events, as the statements that read it give it: a tuple, for speed."""

from __future__ import annotations

from operator import itemgetter
from typing import Final, TypeAlias

EventRow: TypeAlias = tuple[
    int, int, int, str, str, str | None, str, str, str, str | None, bytes | None, int, str | None
]
"""The columns below, in their order. Of an event larger than `LARGEST_EVENT` the payload is not
there: it must not go out."""

ID: Final = 0
XID: Final = 1
SHARD: Final = 2
EVENT_ID: Final = 3
TOPIC: Final = 4
KEY: Final = 5
TYPE: Final = 6
CONTENT_TYPE: Final = 7
CREATED_AT: Final = 8
"""RFC 3339, UTC, microseconds."""
HEADERS: Final = 9
"""JSON."""
PAYLOAD: Final = 10
SIZE: Final = 11
"""Bytes of payload and headers."""
WRITER: Final = 12
"""None in rows from before the database noted it."""

id_of: Final = itemgetter(ID)
xid_of: Final = itemgetter(XID)
shard_of: Final = itemgetter(SHARD)
topic_of: Final = itemgetter(TOPIC)
size_of: Final = itemgetter(SIZE)
