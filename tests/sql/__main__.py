"""`python -m tests.sql`: writes `schema.sql` anew from the migrations, to be reviewed as a diff."""

from __future__ import annotations

import psycopg

from outbox_school.school import school
from outbox_worker.local.postgres import PostgresServer
from outbox_worker.postgres import database, migrations
from tests.sql.test_migrations import SNAPSHOT, dump


def main() -> None:
    """Migrate an empty database and write down what it then holds."""
    with PostgresServer() as server:
        with psycopg.connect(server.url(), autocommit=True) as admin:
            admin.execute("CREATE DATABASE snapshot")
        url = server.url("snapshot")
        with database.connect(url, application="tests") as link:
            migrations.apply(link, school.tables)
        SNAPSHOT.write_text(dump(server, url))


if __name__ == "__main__":
    main()
