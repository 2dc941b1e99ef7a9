"""Statements of the domain: one function for each file of `sql/<module>/`."""
