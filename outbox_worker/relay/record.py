"""An event of the table as a Kafka record: CloudEvents 1.0 in binary mode.

Key and value bytes go out untouched. Header names: CloudEvents Kafka protocol
binding, section 3.2 (`ce_` prefix, `content-type` without it).
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outbox_worker.position.row import EventRow


Header: TypeAlias = tuple[str, str | bytes | None]

SPEC_VERSION: Header = ("ce_specversion", b"1.0")

OURS: Final = frozenset(
    {
        *("", "content-type", "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"),
        *("ce_subject", "ce_data", "ce_datacontenttype"),
    }
)
"""Names, in lower case, under which a reader expects what is ours."""

ATTRIBUTE: Final = re.compile("ce_[a-z0-9]{1,20}")
"""An attribute of CloudEvents: its SDKs refuse the whole event over any other name after `ce_`."""

SCHEMA_IDS: Final = frozenset({"__key_schema_id", "__value_schema_id"})
GUID_FOLLOWS: Final = b"\x01"
"""Names, and first byte of the value, as in `confluent_kafka.schema_registry` (`SchemaId`)."""

SECONDS: Final = 256
"""How many seconds of `created_at` are remembered."""

NAMES: Final = 1_024
"""How many names of headers are remembered: a service has a dozen."""

FLAT: Final = json.JSONDecoder(parse_int=str, parse_float=str)
"""Numbers stay the digits that Postgres wrote."""

PART: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s"{}\[\],:]+')


def headers_of(row: EventRow, source: Header) -> list[Header]:
    """The headers of one event; `source` is the ready-made `ce_source` header.

    This runs for every event: it makes a list and nothing else.
    """
    _, _, _, event_id, _, key, kind, content_type, created_at, own, payload, _, _ = row
    headers = [
        SPEC_VERSION,
        ("ce_id", event_id),
        source,
        ("ce_type", kind),
        ("ce_time", created_at),
    ]
    if payload is not None:
        headers.append(("content-type", content_type))
    if key:
        headers.append(("ce_subject", key))
    if own is None:
        headers.append(("idempotency-key", event_id))
    else:
        headers.extend(_own_headers(own, event_id))
    return headers


def written_ms(created_at: str) -> int:
    """The time of the insert as Kafka wants it: milliseconds since 1970, from `created_at`."""
    return _second_ms(created_at[:19]) + int(created_at[20:23])


@lru_cache(SECONDS)
def _second_ms(second: str) -> int:
    return int(datetime.fromisoformat(f"{second}+00:00").timestamp()) * 1_000


def _own_headers(text: str, event_id: str) -> list[Header]:
    """The writer's headers, and the event's id as idempotency key where the writer gave none.

    A header that is JSON's null is none. The constraints of the table refuse the names that
    are left out here; events from before them may have some.
    """
    own = dict(_nested(text)) if "[" in text or text.rfind("{") > 0 else _flat(text)
    headers: list[Header] = [
        (name, value if isinstance(value, str) else "true" if value else "false")
        for name, value in own.items()
        if value is not None and _may_stand(name)
    ]
    if '_schema_id"' in text:
        headers = [_with_schema(name, value) for name, value in headers]
    if own.get("idempotency-key") is None:
        headers.append(("idempotency-key", event_id))
    return headers


def _with_schema(name: str, value: str | bytes | None) -> Header:
    """The id of a schema in the form of Confluent's headers; any other header as it is."""
    if name in SCHEMA_IDS and isinstance(value, str):
        try:
            return name, GUID_FOLLOWS + UUID(value).bytes
        except ValueError:  # from before the constraint that asks for a UUID
            return name, value
    return name, value


def _flat(text: str) -> dict[str, str | bool | None]:
    """Headers without arrays and objects; those of JSON's null are none."""
    return FLAT.raw_decode(text)[0] or {}


def _nested(text: str) -> Iterator[tuple[str, str | bool | None]]:
    """Headers with arrays or objects: these go out as they stand, without the spaces.

    Token by part, for whatever depth: a parser would make numbers of the digits in them.
    """
    depth, name = 0, None
    value: list[str] = []
    for part in PART.findall(text):
        if depth == 1 and part in ",}":
            yield _string(name or ""), _read("".join(value))
            name, value = None, []
        elif depth == 1 and name is None:
            name = part
        elif depth > 1 or (depth == 1 and (value or part != ":")):
            value.append(part)
        depth += (part in "{[") - (part in "}]")


def _read(text: str) -> str | bool | None:
    if text[0] == '"':
        return _string(text)
    return {"true": True, "false": False, "null": None}.get(text, text)


def _string(text: str) -> str:
    return str(json.loads(text))


@lru_cache(NAMES)
def _may_stand(name: str) -> bool:
    """Whether a reader takes a header of this name for the writer's own."""
    low = name.lower()
    return low not in OURS and (not low.startswith("ce_") or bool(ATTRIBUTE.fullmatch(name)))
