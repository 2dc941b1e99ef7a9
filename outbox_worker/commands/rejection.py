"""The event that says that a command was refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from outbox_worker.application import CommandRejected
from outbox_worker.application.event import Problem

if TYPE_CHECKING:
    from outbox_worker.application import Refused
    from outbox_worker.stores.command import Claimed


def rejection(claimed: Claimed, error: Refused) -> CommandRejected:
    """The event, of now."""
    return CommandRejected(
        command_key=claimed.key,
        command_id=claimed.command_id,
        command_type=claimed.type,
        error=Problem(**error.model_dump(mode="json")),
        correlation_id=claimed.correlation_id or claimed.command_id,
        occurred_at=datetime.now(UTC),
    )
