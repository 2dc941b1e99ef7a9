"""The demonstration: servers, a service, a worker that dies, a subscriber, a verdict.

The story is the application's (`outbox_worker.application.demo`); without one it is that of
`events.py`.
"""
