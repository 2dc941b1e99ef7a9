"""What is true about classes, students and batches.

The domain runs in the transaction of its caller and writes what happened to
the outbox in that same transaction. It knows neither Kafka nor the worker.
"""
