"""Types of commands that fail."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from outbox_worker.doctor.finding import Finding, failed, passed, warned
from outbox_worker.doctor.words import named
from outbox_worker.stores import doctor, size

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers

SINCE: Final = timedelta(hours=1)
MOST: Final = 5


def look(servers: Servers) -> Finding:
    """Fails where one was set aside in the last hour, warns where one is tried again."""
    with servers.reading() as link:
        found = doctor.list_failing(link, doctor.find_server(link).now - SINCE)
        standing = size.count_set_aside(link)
    aside = [
        f"{each.type} ({each.set_aside}, as {each.set_aside_id})"
        for each in found
        if each.set_aside
    ]
    again = [
        f"{each.type} ({each.queued}, as {each.queued_id}, after {each.failures} failures)"
        for each in found
        if each.queued
    ]
    if aside:
        example = next(each.set_aside_id for each in found if each.set_aside)
        return failed(
            f"set aside with INTERNAL_ERROR in the last hour: {named(aside, MOST)}",
            "See the cause, and command_failed with its traceback in the log of the workers; when "
            "the fault is mended, have the commands executed again",
            f"outbox-worker commands show {example}",
            "outbox-worker commands retry --all",
        )
    if again:
        return warned(
            f"wait for another try: {named(again, MOST)}",
            "See the causes: a fault of the program, a lock, a missing right",
            "outbox-worker commands list",
        )
    if standing:
        return passed(f"none lately; {standing} stay set aside (outbox-worker commands list)")
    return passed("none")
