"""The checks of the brokers, as far as they concern no topic of events."""
