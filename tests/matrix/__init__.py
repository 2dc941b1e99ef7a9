"""Every version of Postgres and Kafka that can be had, tried one by one (`make matrix`)."""
