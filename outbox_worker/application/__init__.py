"""The public face of the engine for an application: all that its modules import of the engine.

An application is one object, an `Application`: types of commands with their handlers, events,
periodic jobs, what retention removes, numbers for a scrape. `OUTBOX_APPLICATION=module:attribute`
names it. The engine executes its commands exactly once and in the order of their keys, and
publishes its events; it knows none of its tables.

    def place_order(context: Context, command: PlaceOrder) -> OrderPlacedResult:
        ...                                     # writes rows through context.connection
        context.emit(OrderPlaced(...))          # written in the same transaction
        return OrderPlacedResult(...)

    application = Application("orders", commands=(CommandType(PlaceOrder, place_order),))
"""

from outbox_worker.application import demo
from outbox_worker.application.application import Application, CommandType, Handler
from outbox_worker.application.command import Actor, Command, Envelope, PlainText
from outbox_worker.application.context import Connection, Context, Tombstone
from outbox_worker.application.event import CommandRejected, Event, Moment, append
from outbox_worker.application.job import Job, JobRun, Numbers, Session
from outbox_worker.application.refusal import Refused, RefusedError, invalid
from outbox_worker.application.retention import Retention, Span, Step, Sweep
from outbox_worker.stores.loader import Statements

__all__ = [
    "Actor",
    "Application",
    "Command",
    "CommandRejected",
    "CommandType",
    "Connection",
    "Context",
    "Envelope",
    "Event",
    "Handler",
    "Job",
    "JobRun",
    "Moment",
    "Numbers",
    "PlainText",
    "Refused",
    "RefusedError",
    "Retention",
    "Session",
    "Span",
    "Statements",
    "Step",
    "Sweep",
    "Tombstone",
    "append",
    "demo",
    "invalid",
]
