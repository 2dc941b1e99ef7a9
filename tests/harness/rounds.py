"""How often what competes competes: a little in every run, thousands of times when asked to."""

from __future__ import annotations

import os
from typing import Final

TIMES: Final = int(os.environ.get("OUTBOX_TEST_TIMES", "1"))


def rounds(count: int) -> range:
    """So many rounds, or with OUTBOX_TEST_TIMES (see `make races`) a multiple of them."""
    return range(count * TIMES)
