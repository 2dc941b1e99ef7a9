"""A Postgres snapshot as a value: which transactions had ended when it was taken.

Source: Postgres documentation, "Transaction ID and Snapshot Information
Functions": `xmin:xmax:xip_list`. A transaction is visible when it is below xmin,
or below xmax and not in the list of those in progress. Nothing here touches a
server.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

from typing_extensions import override


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Below `xmin` all have ended, from `xmax` on none, between them all but the sorted `xip`."""

    xmin: int
    xmax: int
    xip: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Snapshot:
        """Read the text form of pg_snapshot; `ValueError` where it is none."""
        xmin, xmax, xip = text.split(":")
        return cls(int(xmin), int(xmax), tuple(map(int, xip.split(","))) if xip else ())

    @override
    def __str__(self) -> str:
        """The text form of pg_snapshot."""
        return f"{self.xmin}:{self.xmax}:{','.join(map(str, self.xip))}"

    def sees(self, xid: int) -> bool:
        """Whether what transaction `xid` wrote, if it committed, is visible."""
        if xid < self.xmin:
            return True
        if xid >= self.xmax:
            return False
        at = bisect_left(self.xip, xid)
        return at == len(self.xip) or self.xip[at] != xid

    def intersect(self, other: Snapshot) -> Snapshot:
        """The snapshot that sees what both see."""
        xmax = min(self.xmax, other.xmax)
        hidden = {xid for xid in (*self.xip, *other.xip) if xid < xmax}
        return normal(xmax, hidden)

    def tighten(self, highest: int) -> Snapshot:
        """What selects the same rows, where no row with a xid above `highest` is visible in it."""
        xmax = min(self.xmax, highest + 1)
        return normal(xmax, {xid for xid in self.xip if xid < xmax})


def normal(xmax: int, hidden: set[int]) -> Snapshot:
    """The one form of a snapshot: xmin is the least that is hidden."""
    xip = tuple(sorted(hidden))
    return Snapshot(xip[0] if xip else xmax, xmax, xip)


NOTHING: Final = Snapshot(1, 1)
"""Sees no row: transaction ids of rows begin at 3 (FirstNormalTransactionId)."""
