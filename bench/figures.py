"""Figures as values: what is measured, and the target that it is held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Latency:
    """Quantiles in milliseconds."""

    p50: float
    p90: float
    p99: float
    max: float
    count: int

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> Latency:
        """Quantiles by nearest rank; `ValueError` where nothing was measured."""
        found = sorted(milliseconds)
        if not found:
            raise ValueError("nothing was measured")
        p50, p90, p99 = (found[min(len(found) - 1, len(found) * n // 100)] for n in (50, 90, 99))
        return cls(p50, p90, p99, found[-1], len(found))


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `met` is None where there is no target."""

    part: str
    name: str
    value: float
    unit: str
    target: str = ""
    met: bool | None = None


def at_least(part: str, name: str, value: float, unit: str, least: float) -> Figure:
    """A figure that should not be below `least`."""
    return Figure(part, name, value, unit, f">= {least:g}", value >= least)


def at_most(part: str, name: str, value: float, unit: str, most: float) -> Figure:
    """A figure that should not be above `most`."""
    return Figure(part, name, value, unit, f"<= {most:.4g}", value <= most)
