"""Incidents, each from the alarm until all is well, by the lines of the runbook alone."""
