"""The threads of a process go around the keys together."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from outbox_worker.commands.outcome import GroupDone, Idle, Rejected, Succeeded
from outbox_worker.commands.rounds import Rounds
from outbox_worker.stores import command as inbox
from tests.commands.inbox import new_executor, submit

if TYPE_CHECKING:
    from outbox_worker.stores import Connection


def test_the_next_claim_begins_behind_the_key_of_the_last_one() -> None:
    rounds = Rounds()
    assert rounds.after() == ""
    rounds.claimed("b")
    assert rounds.after() == "b"


def test_commands_of_a_key_run_in_order_while_others_come(connection: Connection) -> None:
    executor, _ = new_executor()
    submitted = [submit(connection, "DeleteClass", {"class_id": str(uuid.uuid4())}, key="a")]
    submit(connection, key="b")
    done = []
    while not isinstance(outcome := executor.run_once(connection), Idle):
        assert isinstance(outcome, Succeeded | Rejected | GroupDone)
        for each in outcome.outcomes if isinstance(outcome, GroupDone) else (outcome,):
            if each.command.key == "a":
                done.append(each.command.command_id)
                if len(submitted) < 7:
                    submitted += [submit(connection, "DeleteClass", key="a") for _ in range(2)]
    assert done == submitted
    assert inbox.list_queued(connection) == []
