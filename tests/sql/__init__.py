"""The schema, every statement, its plan."""
