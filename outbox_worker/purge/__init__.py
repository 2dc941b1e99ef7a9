"""Retention: published days of events, and what of the application is finished and old."""
