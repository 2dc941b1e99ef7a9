"""What is true about classes, students and batches.

The domain runs in the transaction of its caller and writes what happened to
the outbox in that same transaction. It knows neither Kafka nor the worker.

    outcome = domain.handle(connection, domain.commands.CreateClass(actor=..., ...))
    page = domain.reads.list_classes(connection, owner)
"""

from domain import commands, reads, results
from domain.handle import handle

__all__ = ["commands", "handle", "reads", "results"]
