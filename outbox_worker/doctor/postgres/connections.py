"""How many connections are left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from outbox_worker.doctor.finding import Finding, failed, passed, warned
from outbox_worker.stores import doctor

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers

OF_A_WORKER: Final = 10
"""What a worker has open at most: below that, one that is restarted may not come back."""


class Room(NamedTuple):
    """What is used of a limit, and the line that raises it."""

    whose: str
    used: int
    most: int
    line: str

    @property
    def left(self) -> int:
        """How many more there may be."""
        return self.most - self.used


def look(servers: Servers) -> Finding:
    """Fails where none is left, warns where fewer are than a worker may need."""
    with servers.reading() as link:
        found = doctor.count_connections(link)
    rooms = [Room("the server", found.used, found.most, "ALTER SYSTEM SET max_connections = N;")]
    if found.most_in_database >= 0:
        line = "ALTER DATABASE NAME CONNECTION LIMIT N;"
        rooms.append(Room("this database", found.used_in_database, found.most_in_database, line))
    if found.most_by_login >= 0:
        line = "ALTER ROLE LOGIN CONNECTION LIMIT N;"
        rooms.append(Room("this login", found.used_by_login, found.most_by_login, line))
    least = min(rooms, key=lambda room: room.left)
    seen = f"{least.used} of {least.most} that {least.whose} allows are in use"
    if least.left >= OF_A_WORKER:
        return passed(seen)
    remedy = (
        "See in pg_stat_activity who has many, and give them a pooler; or raise the limit "
        "(max_connections: with a restart)"
    )
    level = failed if least.left <= 0 else warned
    return level(seen, remedy, least.line)
