"""Spans of OpenTelemetry: of each transaction that sends events, and of each command.

Everything here costs nothing, and imports nothing, where nobody asked for traces.
"""
