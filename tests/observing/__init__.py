"""The alert rules and the dashboard, on a real Prometheus."""
