"""Orders: two commands, three events, one job. `OUTBOX_APPLICATION=orders.application:orders`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from pydantic import BaseModel, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from outbox_worker.application import (
    Application,
    Command,
    CommandType,
    Context,
    Event,
    Job,
    JobRun,
    PlainText,
    Refused,
    RefusedError,
    Statements,
    append,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

SQL = Statements("orders")


class OrdersSettings(BaseSettings):
    """Settings of our own: environment variables beside those of the worker."""

    model_config = SettingsConfigDict(env_prefix="ORDERS_", extra="ignore", frozen=True)

    expire_minutes: Annotated[float, Field(gt=0, description="minutes an order stays open")] = 60.0


# What services ask for: the payload of `outbox.submit`, by the name of its model.


class PlaceOrder(Command, frozen=True):
    """Open an order. Its key in the inbox is the order's id."""

    order_id: UUID
    customer: Annotated[str, Field(min_length=1, max_length=100), PlainText]
    sku: Annotated[str, Field(min_length=1, max_length=40), PlainText]
    quantity: Annotated[int, Field(ge=1, le=1000)]


class CancelOrder(Command, frozen=True):
    """Close an order that is open."""

    order_id: UUID


# The events for subscribers: the topic of each is its type.


class OrderPlaced(Event, frozen=True):
    """An order is open."""

    TYPE = "order.placed.v1"
    KEY = "order_id"

    order_id: UUID
    customer: str
    sku: str
    quantity: int


class OrderCancelled(Event, frozen=True):
    """A customer cancelled an order."""

    TYPE = "order.cancelled.v1"
    KEY = "order_id"

    order_id: UUID


class OrderExpired(Event, frozen=True):
    """An order was open for too long."""

    TYPE = "order.expired.v1"
    KEY = "order_id"

    order_id: UUID


class OrderResult(BaseModel, frozen=True):
    """What the caller finds in `outbox.command.result`."""

    order_id: UUID


def place(context: Context, command: PlaceOrder) -> OrderResult:
    """Write the order and its event in one transaction."""
    order = command.model_dump(include={"order_id", "customer", "sku", "quantity"})
    row = {**order, "correlation_id": context.correlation_id}
    context.connection.execute(SQL.load("order/insert_order"), row)
    fields = {"correlation_id": context.correlation_id, "occurred_at": context.now}
    context.emit(OrderPlaced(**fields, **order))
    return OrderResult(order_id=command.order_id)


def cancel(context: Context, command: CancelOrder) -> OrderResult:
    """Close the order, or say why that cannot be."""
    found = context.connection.execute(
        SQL.load("order/cancel_order"), {"order_id": command.order_id}
    ).fetchone()
    if found is None:
        raise RefusedError(
            "ORDER_NOT_OPEN", "There is no open order of this id", order_id=str(command.order_id)
        )
    context.emit(
        OrderCancelled(
            correlation_id=context.correlation_id,
            occurred_at=context.now,
            order_id=command.order_id,
        )
    )
    return OrderResult(order_id=command.order_id)


def refusal_of(error: psycopg.errors.IntegrityError, _command: Command) -> Refused | None:
    """What a broken constraint means; None for one that a handler should have seen to."""
    if error.diag.constraint_name != "order_pkey":
        return None
    return Refused(code="ORDER_EXISTS", message="There is an order of this id", details={})


def expire(run: JobRun) -> Mapping[str, int]:
    """Close orders that were open for too long; any number of workers may do so at once."""
    settings: OrdersSettings = run.settings
    before = run.now - timedelta(minutes=settings.expire_minutes)
    with run.connection.transaction():
        rows = run.connection.execute(
            SQL.load("order/expire_orders"), {"before": before, "rows": 100}
        ).fetchall()
        expired = [
            OrderExpired(correlation_id=correlation_id, occurred_at=run.now, order_id=order_id)
            for order_id, correlation_id in rows
        ]
        append(run.connection, expired, run.topic_prefix)
    return {"expired": len(rows)} if rows else {}


orders = Application(
    "orders",
    title="Events of orders",
    sql=SQL,
    commands=(CommandType(PlaceOrder, place), CommandType(CancelOrder, cancel)),
    events=(OrderPlaced, OrderCancelled, OrderExpired),
    refusal_of=refusal_of,
    jobs=(Job("expire_orders", expire, every_s=5.0),),
    settings=OrdersSettings,
)
