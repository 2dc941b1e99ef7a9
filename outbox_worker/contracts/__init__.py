"""The events as others need them: a JSON Schema for each type, and all topics as AsyncAPI.

`outbox-worker contracts` writes those of the application to a folder. Within a version a schema
only widens: what a reader relies on stays as it is.
"""
