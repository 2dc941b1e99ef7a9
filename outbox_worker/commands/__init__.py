"""Executes the commands of the inbox: claim, domain, events and result in one transaction."""
