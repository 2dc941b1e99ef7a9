"""`outbox-worker demo`."""

from __future__ import annotations

import signal
import threading

import click

from outbox_worker import logs, settings
from outbox_worker.cli.options import settings_help


@click.command("demo", epilog=settings_help(("application",)))
@click.option(
    "--keep",
    is_flag=True,
    help="leave the servers running until Ctrl-C, and print the settings that lead to them",
)
def command(*, keep: bool) -> int:
    """Start Postgres, Kafka and a worker, play a story, show what subscribers get.

    The story is that of the application, or one of plain events where it has none.

    Needs nothing but the extra `demo` (in a checkout: pip install '.[demo]') and, for a real
    broker, Java 17 with Maven, or Docker, or OUTBOX_LOCAL_KAFKA with its address. Takes about half
    a minute and leaves nothing behind (with --keep once it is ended), but for its topics in a
    broker that was there before. Exit code 1 where a command is not executed
    once, or an event is lost, duplicated or out of order.
    """
    from outbox_worker.demo import verdict  # noqa: PLC0415  --help needs none of it
    from outbox_worker.demo.place import await_published, open_place  # noqa: PLC0415
    from outbox_worker.demo.screen import Screen  # noqa: PLC0415
    from outbox_worker.demo.stage import open_stage  # noqa: PLC0415

    logs.set_up("error")
    screen = Screen()
    with open_place(settings.load().application, screen.say) as place:
        with open_stage(place, screen) as stage:
            story = place.demo.play(stage)
            screen.chapter("What subscribers get")
            screen.say("Wait until the view outbox.lag says that each event is published")
            await_published(place)
            stage.stop_worker()
        found = verdict.judge(place, story)
        screen.show_events(found, place.demo.fields)
        screen.show_verdict(found, is_mock=place.mock is not None)
        if keep:
            screen.show_settings(place.leading_here)
            _wait_for_a_signal()
    return 0 if found.is_right else 1


def _wait_for_a_signal() -> None:
    """Until Ctrl-C or SIGTERM."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
