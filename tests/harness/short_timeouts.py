"""Starts the worker so that it soon leaves calls to Kafka behind, and not many of them.

    python -m tests.harness.short_timeouts SECONDS CALLS [arguments of outbox-worker]

A call that hangs does so for good, however long it is waited for; tests wait less. The product
knows nothing of it: its two limits are others here.
"""

from __future__ import annotations

import sys

from outbox_worker.relay import abandonable, publisher


def main() -> None:
    """Put the lower limits in place, then run the command."""
    seconds, calls, *arguments = sys.argv[1:]
    setattr(publisher, "FINISH_S", float(seconds))  # noqa: B010  a constant for all others
    setattr(abandonable, "MOST_LEFT", int(calls))  # noqa: B010  as above
    sys.argv = ["outbox-worker", *arguments]
    from outbox_worker.cli import main as command  # noqa: PLC0415

    command()


if __name__ == "__main__":
    main()
