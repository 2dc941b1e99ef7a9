"""Sessions with Postgres, and whether its schema and its numbers fit this program."""
