"""`python -m tests.observing`: the alert rules and the dashboard, on a real Prometheus."""
