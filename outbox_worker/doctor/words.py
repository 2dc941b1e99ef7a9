"""Numbers as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outbox_worker.settings import SHARDS

if TYPE_CHECKING:
    from collections.abc import Collection

UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60))
SIZES: Final = ("B", "kB", "MB", "GB", "TB")
STEP: Final = 1_000


def duration(seconds: float) -> str:
    """Seconds in the largest unit of which there are two or more."""
    for unit, length in UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:,.0f} s"


def size(count: float) -> str:
    """Bytes in units of thousand."""
    for unit in SIZES[:-1]:
        if count < STEP:
            return f"{count:,.0f} {unit}"
        count /= STEP
    return f"{count:,.1f} {SIZES[-1]}"


def shards(numbers: Collection[int]) -> str:
    """Shards by their numbers, or all."""
    if len(numbers) == SHARDS:
        return "all shards"
    named = ", ".join(map(str, sorted(numbers)))
    return f"shard {named}" if len(numbers) == 1 else f"shards {named}"


def named(names: Collection[str], most: int) -> str:
    """Names in their order, the first of them where there are many."""
    shown = ", ".join(list(names)[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
