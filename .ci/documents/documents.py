"""The two documents as JSON Schema: where a route, a response or a frame is described, and what a text must be."""

import re
from pathlib import Path

import jsonschema_rs
import yaml

ROOT = Path(__file__).resolve().parents[2]


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def load(path):
    # Dates and octal numbers are texts in JSON.
    return yaml.load(read(path), Loader=yaml.CSafeLoader)


openapi = load("docs/openapi.yaml")
asyncapi = load("docs/asyncapi.yaml")


def resolve(node):
    """A part of openapi.yaml, behind its reference if it is one."""
    while "$ref" in node:
        target = openapi
        for name in node["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        node = target
    return node


def routes():
    """Each route as the template writes it, with its operation."""
    for path, item in openapi["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield f"{method.upper()} {path}", operation


def responses(operation):
    return {int(status): resolve(response) for status, response in operation["responses"].items()}


def codes(response):
    """The codes that a response may carry: none where only the platform answers so."""
    schema = response["content"].get("application/json", {}).get("schema", {})
    parts = [resolve(part) for part in schema.get("anyOf", [schema])]
    return {part["properties"]["code"]["const"] for part in parts if "code" in part.get("properties", {})}


def frames(side):
    """The messages of a side, `client` or `server`, by the name of the frame."""
    messages = asyncapi["components"]["messages"].items()
    return {key.removeprefix(f"{side}."): message for key, message in messages if key.startswith(f"{side}.")}


def closed(node):
    """The schema without room for fields that it does not name: clients ignore those, but here none may be missing."""
    if isinstance(node, list):
        return [closed(part) for part in node]
    if not isinstance(node, dict):
        return node
    node = {name: closed(part) for name, part in node.items()}
    if isinstance(node.get("properties"), dict):
        node.setdefault("additionalProperties", False)
    return node


def in_one(node):
    """The node with references that hold in a document of both."""
    if isinstance(node, list):
        return [in_one(part) for part in node]
    if not isinstance(node, dict):
        return node
    node = {name: in_one(part) for name, part in node.items()}
    if isinstance(node.get("$ref"), str):
        node["$ref"] = node["$ref"].replace("./openapi.yaml#/", "#/openapi/")
    return node


def validator(node, strict):
    """Validates against a schema of either document; its references are resolved in both."""
    tidy = closed if strict else lambda part: part
    other = in_one(asyncapi["components"]["schemas"])
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        # The other references of openapi.yaml are its own.
        "components": {"schemas": {**tidy(openapi["components"]["schemas"]), **tidy(other)}},
        "openapi": {"components": {"schemas": tidy(openapi["components"]["schemas"])}},
        "allOf": [tidy(in_one(node))],
    }
    formats = {
        "user-key": lambda text: 1 <= size(text) <= 128 and not re.search(r"[\x00-\x1f\x7f-\x9f]", text),
        "client-id": lambda text: 1 <= size(text) <= 64,
        "call-id": lambda text: 8 <= size(text) <= 64,
    }
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True, formats=formats)


def size(text):
    return len(text.encode("utf-8"))
