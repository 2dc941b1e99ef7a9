"""Executes commands: claim, the application's rows, events and result in one transaction."""
