"""`python -m outbox_worker` is the same as the command `outbox-worker`."""

from outbox_worker.cli import main

if __name__ == "__main__":
    main()
