"""`make bench`: what the worker costs and gives, on a real Postgres and a real broker."""
