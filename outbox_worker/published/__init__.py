"""What is published, asked of Kafka and of the mirror, and the rows that prove it."""
