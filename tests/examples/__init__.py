"""The examples, as somebody runs them who has installed the wheel."""
