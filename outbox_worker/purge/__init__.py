"""Retention: published days of events, and what of the domain is finished and old."""
