"""`outbox-worker doctor`: what is wrong with the servers and with what is in them, found by asking.

A check asks one question and answers with a finding: what was seen, whether it hurts the worker,
and what to do. The checks of Postgres, those of Kafka, and those that need both run side by side,
each in a thread of its own that can be left behind (`examine.py`). Nothing is written: every look
at the database is a read-only transaction, and Kafka is only asked.
"""
