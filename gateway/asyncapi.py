"""The AsyncAPI 3.0 document of the events that streams and systems of one's own get, made from the code."""

from __future__ import annotations

from typing import Any

from destinations.wire.cloudevents import TYPE_PREFIX
from model import record as canon
from model.event import EventType

#: The events that destinations get, with what each says.
TOLD: dict[EventType, str] = {
    EventType.REGISTERED: "A record was registered.",
    EventType.MESSAGE_JOINED: "Its customer wrote again; `update` has `text` and `subject`.",
    EventType.FILE_FETCHED: "A file that a message only named has been fetched.",
    EventType.FILE_GIVEN_UP: "A file that a message only named could not be fetched.",
    EventType.READ_AGAIN: "The message was read again; `record` has the corrected content.",
    EventType.REPLY_QUEUED: "The customer is answered; `update` has `text`, `channel` and `actor`.",
    EventType.REPLY_NOT_SENT: "An answer that came from this destination could not be sent; `update` has `why`.",
}


def document() -> dict[str, Any]:
    """The whole document."""
    record = {k: v for k, v in canon.json_schema().items() if k not in ("$schema", "$id", "$defs")}
    models = canon.json_schema().get("$defs", {})
    names = {type_: type_.value.replace(".", "_") for type_ in TOLD}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Forebay events",
            "version": canon.SCHEMA,
            "description": "Records and their updates as CloudEvents 1.0 in structured mode, in order within a "
            "conversation. An event's `id` is the same however often it comes: keep those you have handled.",
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {
            "conversation": {
                "address": "{subject}.{channel}.{conversation}",
                "title": "One conversation",
                "description": "The subject in NATS JetStream; by HTTP all events come to one address.",
                "parameters": {
                    "subject": {"description": "The setting `subject`.", "default": "forebay"},
                    "channel": {"description": "The channel's name in the configuration."},
                    "conversation": {"description": "The conversation's id, or that of the record."},
                },
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names.values()},
            }
        },
        "operations": {
            "publish": {
                "action": "send",
                "channel": {"$ref": "#/channels/conversation"},
                "summary": "Forebay tells what happened.",
            }
        },
        "components": {
            "messages": {
                names[type_]: {
                    "name": TYPE_PREFIX + type_.value,
                    "title": type_.value,
                    "summary": summary,
                    "headers": {
                        "type": "object",
                        "properties": {
                            "Nats-Msg-Id": {"type": "string", "description": "The event's id (NATS only)."}
                        },
                    },
                    "payload": {
                        "allOf": [
                            {"$ref": "#/components/schemas/Event"},
                            {"properties": {"type": {"const": TYPE_PREFIX + type_.value}}},
                        ]
                    },
                }
                for type_, summary in TOLD.items()
            },
            "schemas": {
                "Event": {
                    "type": "object",
                    "required": ["specversion", "id", "source", "type", "subject", "time", "data"],
                    "properties": {
                        "specversion": {"const": "1.0"},
                        "id": {"type": "string", "description": "The same whenever the event comes again."},
                        "source": {"type": "string"},
                        "type": {"type": "string"},
                        "subject": {"type": "string", "description": "The number that the customer sees."},
                        "time": {"type": "string", "format": "date-time"},
                        "datacontenttype": {"const": "application/json"},
                        "partitionkey": {"type": "string", "description": "The conversation (NATS only)."},
                        "data": {
                            "type": "object",
                            "required": ["record", "update"],
                            "properties": {
                                "record": {"$ref": "#/components/schemas/Record"},
                                "update": {"type": "object", "description": "What changed."},
                                "remote_id": {"type": "string", "description": "Your own number, once told."},
                                "left_out": {
                                    "const": True,
                                    "description": "The record's `html` or `full_text` was too long for the servers.",
                                },
                            },
                        },
                    },
                },
                "Record": _moved(record),
                **{name: _moved(model) for name, model in models.items()},
            },
        },
    }


def _moved(schema: Any) -> Any:
    """A JSON Schema whose definitions stand among the document's."""
    if isinstance(schema, dict):
        return {
            key: value.replace("#/$defs/", "#/components/schemas/") if key == "$ref" else _moved(value)
            for key, value in schema.items()
        }
    return [_moved(one) for one in schema] if isinstance(schema, list) else schema
