"""`python -m outbox_school.contracts [FOLDER]`: write the contracts, or say what breaks readers."""

from __future__ import annotations

import sys
from pathlib import Path

from outbox_school.contracts.export import NarrowedError, export


def main(arguments: list[str]) -> int:
    """Write to the folder given, else to `contracts`; 0 done, 1 refused, 2 wrong usage."""
    match arguments:
        case []:
            folder = Path("contracts")
        case [name] if not name.startswith("-"):
            folder = Path(name)
        case _:
            sys.stderr.write("usage: python -m outbox_school.contracts [FOLDER]\n")
            return 2
    try:
        changed = export(folder)
    except NarrowedError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    for path in changed:
        sys.stdout.write(f"wrote {path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
