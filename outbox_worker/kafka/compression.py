"""The codec of the records: the setting, or what the properties file names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from outbox_worker.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outbox_worker.settings import Settings

NAMES: Final = frozenset({"compression.codec", "compression.type"})
"""Two names of one librdkafka property."""


def chosen(settings: Settings, properties: Mapping[str, Any]) -> dict[str, str]:
    """The producer's property, where the user's file does not hold one; `SettingsError` for both.

    Without either none: not every client can read another as it comes, and some stop in silence.
    """
    named = NAMES & properties.keys()
    if not named:
        return {"compression.type": settings.compression or "none"}
    if settings.compression is None:
        return {}
    raise SettingsError(
        f"OUTBOX_COMPRESSION is set, and OUTBOX_KAFKA_PROPERTIES {settings.kafka_properties} "
        f"holds {', '.join(sorted(named))}",
        "Name the codec in one of the two places",
    )
