"""An event of the table as a Kafka record: CloudEvents 1.0 in binary mode.

Key and value bytes go out untouched. Header names: CloudEvents Kafka protocol
binding, section 3.2 (`ce_` prefix, `content-type` without it).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from outbox_worker.stores.outbox import EventRow

Header: TypeAlias = tuple[str, str | bytes | None]

SPEC_VERSION: Header = ("ce_specversion", b"1.0")


def headers_of(row: EventRow, source: Header) -> list[Header]:
    """The headers of one event; `source` is the ready-made `ce_source` header.

    This runs for every event: it makes a list and nothing else.
    """
    _, _, _, event_id, _, key, kind, content_type, created_at, own, _, _ = row
    headers = [
        SPEC_VERSION,
        ("ce_id", event_id),
        source,
        ("ce_type", kind),
        ("ce_time", created_at),
        ("content-type", content_type),
    ]
    if key is not None:
        headers.append(("ce_subject", key))
    if own is None:
        headers.append(("idempotency-key", event_id))
    else:
        headers.extend(_own_headers(own, event_id))
    return headers


def _own_headers(text: str, event_id: str) -> list[Header]:
    """The writer's headers, and the event's id as idempotency key where the writer gave none."""
    own = json.loads(text)
    headers: list[Header] = [
        (name, value if value is None or isinstance(value, str) else _compact(value))
        for name, value in own.items()
    ]
    if "idempotency-key" not in own:
        headers.append(("idempotency-key", event_id))
    return headers


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
