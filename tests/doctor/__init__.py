"""`outbox-worker doctor`: each check, and the command around them."""
