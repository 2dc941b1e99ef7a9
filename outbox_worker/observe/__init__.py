"""What a worker shows from outside: metrics and health."""
