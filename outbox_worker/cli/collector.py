"""Python's garbage collector, while the program starts."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def without_collector() -> Iterator[None]:
    """Import modules and make parts without looking for garbage among them.

    What they make stays for as long as the process, and is left alone from then on too. To look
    through all of it each time it has grown takes a fifth of the processor time of a start.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
