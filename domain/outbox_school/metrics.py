"""What the school counts of the results of its commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter

from outbox_school.results import BatchResult, ContentResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry
    from pydantic import BaseModel


def count_results(registry: CollectorRegistry) -> Callable[[BaseModel], None]:
    """Register what is counted; what comes back counts the result of one command."""
    slot_assignments = Counter(
        "slot_assignments",
        "Texts offered to a batch, by what became of them",
        ["outcome"],
        registry=registry,
    )

    def count(result: BaseModel) -> None:
        for outcome, texts in assignments_of(result).items():
            slot_assignments.labels(outcome).inc(texts)

    return count


def assignments_of(result: BaseModel) -> dict[str, int]:
    """How many texts by what became of them: `repeated` if the event was written before.

    A text that comes early is `pending` at first, and counts again once its batch comes.
    """
    match result:
        case ContentResult(status=status, created=created):
            return {status if created else "repeated": 1}
        case BatchResult(early_assigned=assigned, early_excess=excess):
            return {"assigned": assigned, "excess": excess}
        case _:
            return {}
