"""`outbox-worker dead-letters park`, `redrive` and `discard`: the plan first, then the deed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console
from rich.progress import Progress

from outbox_worker.cli.dead_letters.listing import standing_in_words
from outbox_worker.cli.dead_letters.session import EPILOG, carried_out, executed, session, which
from outbox_worker.dead_letters import plans, requests
from outbox_worker.dead_letters.selection import (
    LIST,
    as_command,
    see_that_rate_can_be,
    see_that_topic_can_be,
)
from outbox_worker.errors import WorkFailedError
from outbox_worker.logs.safe_text import printable
from outbox_worker.stores import ledger
from outbox_worker.stores.ledger import OPEN, Asked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from outbox_worker.cli.dead_letters.session import How
    from outbox_worker.dead_letters.plans import Plan
    from outbox_worker.stores import Connection

NOTHING: Final = "0 redriven"
"""The outcome in a shard in which nothing of a topic was parked."""

SHOWN: Final = 20
"""Sequences of a plan that are shown."""


@click.command("park", epilog=EPILOG, short_help="Have waiting events leave the way.")
@which(everything=False)
@click.option("--reason", metavar="TEXT", help="why, for those who look at it later")
@carried_out
def park(asked: Asked, how: How, reason: str | None) -> None:
    """Have waiting events leave the way: one, a key of a topic, or a whole topic.

    Later events of the same topic and key are parked behind them, so that order holds. A
    whole topic, for example one that is missing, is parked as its events come, until it is
    redriven or discarded. An event that is published cannot be parked.
    """
    with session() as link, requests.asking():
        for line in plans.of_waiting(link, asked):
            click.echo(printable(line))
        if not how.execute:
            _say_how(as_command("park", asked, "--execute"))
            return
        _see_to_it(link, asked, ledger.park(link, asked, reason), how)


@click.command("redrive", epilog=EPILOG, short_help="Publish them, once and in order.")
@which(everything=True)
@click.option("--to-topic", metavar="TOPIC", help="publish to this topic instead of their own")
@click.option(
    "--rate",
    type=click.FloatRange(0.0, min_open=True),
    help="publish at most so many events a second",
)
@carried_out
def redrive(asked: Asked, how: How, to_topic: str | None, rate: float | None) -> None:
    """Publish parked events, once and in the order of their keys; then the keys flow again.

    Mend first what Kafka refused: `outbox-worker dead-letters show EVENT_ID` says how. Of one
    event with a key its sequence is redriven, from the first event up to it. What Kafka
    refuses again stays parked, with all that follows it in its sequence.
    """
    see_that_topic_can_be(to_topic)
    see_that_rate_can_be(rate)
    with session() as link, requests.asking():
        to = f", to topic {to_topic}" if to_topic else ""
        if not _show(plans.of_parked(link, asked, up_to=True), f"to be redriven{to}", asked):
            return
        if not how.execute:
            more = [*(("--to-topic", to_topic) if to_topic else ())]
            more += ("--rate", f"{rate:g}") if rate else ()
            _say_how(as_command("redrive", asked, *more, "--execute"))
            return
        request = ledger.redrive(link, asked, to_topic, rate)
        if request is None:
            click.echo("nothing of it is parked any more")
            return
        _see_to_it(link, asked, request, how)


@click.command("discard", epilog=EPILOG, short_help="Give them up.")
@which(everything=True)
@executed
def discard(asked: Asked, *, execute: bool) -> None:
    """Give parked events up: they are never published, and count as discarded from then on.

    Events that were parked behind one that is discarded stay parked: redrive them next. The
    events themselves stay in the table until purge removes their day.
    """
    with session() as link, requests.asking():
        plan = plans.of_parked(link, asked, up_to=False)
        if not _show(plan, "to be discarded, never to be published", asked):
            return
        if not execute:
            _say_how(as_command("discard", asked, "--execute"))
            return
        done = ledger.discard(link, asked)
        click.echo(f"{done} events are discarded")
        for line in plans.left_after_discard(link, plan):
            click.echo(printable(line))


def _show(plan: Plan, what: str, asked: Asked) -> bool:
    """The sequences of a plan; False where of all there is none.

    `WorkFailedError` where nothing is parked of what was named.
    """
    for each in plan.standing:
        click.echo(f"{standing_in_words(each)}; this ends it")
    if not plan.sequences and not plan.standing:
        if asked == Asked():
            click.echo("nothing is parked")
            return False
        raise WorkFailedError(f"Nothing of it is parked{plan.why}", LIST)
    for planned in plan.sequences[:SHOWN]:
        click.echo(printable(planned.in_words()))
    if plan.total > SHOWN:
        click.echo(f"and {plan.total - SHOWN} more sequences")
    click.echo(f"{plan.events} events are {what}")
    return True


def _say_how(line: str) -> None:
    click.echo(f"nothing is changed; to do it: {printable(line)}")


def _see_to_it(link: Connection, asked: Asked, request: int, how: How) -> None:
    """Wait for the workers, and say what came of a request."""
    if absent := requests.nobody_serves(link):
        click.echo(f"warning: {absent}", err=True)
    if how.no_wait:
        click.echo(f"the workers have been asked (request {request})")
        return
    with _counting() as say:
        orders = requests.outcome_of(link, request, how.seconds, say)
        is_standing = any(each.shard is None for each in orders)
        if is_standing:
            requests.await_parked(link, asked, how.seconds, say)
    for each in orders:
        if each.shard is not None and (each.events or each.outcome != NOTHING):
            click.echo(printable(f"shard {each.shard}: {each.action}: {each.outcome}"))
    requests.see_that_none_failed(orders)
    if is_standing:
        click.echo("nothing of the topic waits; what comes is parked until somebody redrives it")
    _say_what_is_left(link, asked)


def _say_what_is_left(link: Connection, asked: Asked) -> None:
    if asked.event_id is None:
        left, total = ledger.list_sequences(link, OPEN, asked, SHOWN)
        events = sum(each.events for each in left)
        more = " or more" if total > len(left) else ""
        click.echo(f"{events}{more} events of it are parked now")


@contextmanager
def _counting() -> Iterator[Callable[[int], object]]:
    """On a terminal, how many events are done; elsewhere nothing."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("the workers", total=None)
        yield lambda events: progress.update(task, description=f"the workers: {events} events")
