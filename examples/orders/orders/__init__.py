"""A shop's orders, as an application of outbox-worker."""
