"""The events as others need them: a JSON Schema for each type, and all topics as AsyncAPI.

`python -m outbox_school.contracts` writes them to `contracts/`. Within a version a schema only
widens: what a reader relies on stays as it is.
"""
