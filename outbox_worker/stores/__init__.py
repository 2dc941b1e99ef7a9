"""One function for one statement: `stores/folder.py::stem` is `sql/folder/stem.sql`."""
