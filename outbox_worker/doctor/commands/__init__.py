"""The checks of queued commands."""
