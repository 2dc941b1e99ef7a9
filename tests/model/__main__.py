"""Play many histories: `python -m tests.model --histories 100000 --seed 1`.

Prints what went wrong with its seed, and a summary; exit code 1 where anything did.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.model.many import run_histories


def main() -> int:
    """Read the arguments, play, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--histories", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    failed = False
    for lossy, letters in ((False, False), (True, False), (False, True), (True, True)):
        tally = run_histories(
            arguments.histories // 4, arguments.seed, lossy=lossy, letters=letters
        )
        kind = "with fail-overs that lose" if lossy else "with crashes only"
        kind += " and dead letters" if letters else ""
        sys.stdout.write(
            f"{tally.histories} histories {kind}, seed {arguments.seed}: "
            f"{tally.published} events read, {tally.refused} refused, "
            f"{len(tally.faults)} faults\n"
        )
        for seed, fault in tally.faults[:20]:
            sys.stdout.write(f"  seed {seed}: {fault}\n")
        failed = failed or bool(tally.faults)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
