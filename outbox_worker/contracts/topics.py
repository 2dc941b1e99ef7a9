"""All topics as one AsyncAPI 3 document: addresses, keys, headers, and where the schemas are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from outbox_worker.application import Application, Event
    from outbox_worker.contracts.widening import Schema

BINDING: Final = "0.5.0"
"""The version of AsyncAPI's Kafka bindings."""


def asyncapi(application: Application) -> Schema:
    """The document; each payload refers to the schema in the file beside it."""
    models = {model.TYPE: model for model in application.all_events}
    prefix = application.topic_prefix
    place = f"here it is the usual one, {prefix}" if prefix else "here there is none"
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": application.title or f"Events of {application.name}",
            "version": "1.0.0",
            "description": (
                "A topic for each event type. Records with one key are in order, each is there "
                "once for readers of committed records. Within a version fields are only added: "
                "ignore those that you do not know. The prefix of the topics is a setting "
                f"(OUTBOX_TOPIC_PREFIX); {place}"
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {kind: _channel(prefix, kind) for kind in models},
        "operations": {f"send {kind}": _operation(kind) for kind in models},
        "components": {
            "messages": {kind: _message(model) for kind, model in models.items()},
            "schemas": {"cloudEventHeaders": _headers()},
        },
    }


def moved(old: Schema, new: Schema) -> list[str]:
    """Each topic of the old document that a subscriber would no longer find as it was."""
    lost = []
    for kind, before in old["channels"].items():
        after = new["channels"].get(kind)
        if after is None:
            lost.append(f"{kind}: the topic is gone")
        elif before["address"] != after["address"]:
            lost.append(f"{kind}: the topic is now {after['address']}")
        elif _key(old, kind) != _key(new, kind):
            lost.append(f"{kind}: the key is now {_key(new, kind)}")
    return lost


def _key(document: Schema, kind: str) -> object:
    return document["components"]["messages"][kind]["bindings"]["kafka"]["key"]


def _channel(prefix: str, kind: str) -> Schema:
    return {
        "address": f"{prefix}{kind}",
        "messages": {kind: {"$ref": f"#/components/messages/{kind}"}},
        "bindings": {"kafka": {"topic": f"{prefix}{kind}", "bindingVersion": BINDING}},
    }


def _operation(kind: str) -> Schema:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{kind}"},
        "messages": [{"$ref": f"#/channels/{kind}/messages/{kind}"}],
    }


def _message(model: type[Event]) -> Schema:
    fields = model.model_json_schema(mode="serialization")["properties"]
    key = {name: value for name, value in fields[model.KEY].items() if name != "title"}
    return {
        "name": model.TYPE,
        "title": model.TYPE,
        "summary": (model.__doc__ or "").strip(),
        "contentType": "application/json",
        "correlationId": {"location": "$message.header#/correlation-id"},
        "headers": {
            "allOf": [
                {"$ref": "#/components/schemas/cloudEventHeaders"},
                {"properties": {"ce_type": {"const": model.TYPE}}},
            ]
        },
        "payload": {"$ref": f"./{model.TYPE}.json"},
        "bindings": {
            "kafka": {
                "key": {**key, "description": f"{model.KEY} of the payload"},
                "bindingVersion": BINDING,
            }
        },
    }


def _headers() -> Schema:
    text: dict[str, Any] = {"type": "string"}
    uuid = {**text, "format": "uuid"}
    properties = {
        "ce_specversion": {**text, "const": "1.0"},
        "ce_id": {**uuid, "description": "The event's id: the same however often it is read"},
        "ce_source": {**text, "description": "The setting OUTBOX_SOURCE"},
        "ce_type": text,
        "ce_time": {**text, "format": "date-time", "description": "When it was written"},
        "ce_subject": {**text, "description": "The key of the record"},
        "content-type": {**text, "const": "application/json"},
        "correlation-id": {**uuid, "description": "correlation_id of the payload"},
        "idempotency-key": {**uuid, "description": "The same as ce_id"},
    }
    return {
        "type": "object",
        "description": "CloudEvents 1.0 in binary mode",
        "required": list(properties),
        "properties": properties,
    }
