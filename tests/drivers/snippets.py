"""The part of a program that stands on the page: between `page: NAME` and `page: end`."""

from __future__ import annotations

import re
import textwrap

PART = re.compile(
    r"^[ \t]*// page: (?P<name>\S+)\n(?P<text>.*?)^[ \t]*// page: end$", re.MULTILINE | re.DOTALL
)


def snippet(source: str, library: str) -> str:
    """The part for the library, without its indentation; ValueError where there is not one."""
    parts = [textwrap.dedent(found["text"]) for found in PART.finditer(source)]
    names = [found["name"] for found in PART.finditer(source)]
    if names != [library]:
        raise ValueError(f"wanted one part named {library}, found {names}")
    return parts[0]
