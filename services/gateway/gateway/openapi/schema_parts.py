"""Parts of schemas: fields with a text and an example, and named choices such as `ScaleFactor`.

A schema holds a choice with its name as title. The document has each choice once, among its components, so
that generated clients have one type for it.
"""

from typing import Annotated, Any

from pydantic import Field

from loupe.contract import ABILITIES
from rest.choices import a_choice

Json = dict[str, Any]
REFERENCE = "#/components/schemas/"


def a_field(description: str, example: Any, **rules: Any) -> Json:
    """Return what a schema says about a field, beside its type."""
    return {"description": description, "examples": [example], **rules}


ABILITY = a_choice("Ability", "One thing that a token allows.", ABILITIES)
Ability = Annotated[str, Field(json_schema_extra=ABILITY)]


def refer_to_choices(node: Any, found: Json) -> Any:
    """Return the schema with references instead of choices, and add these to `found`, by name."""
    if isinstance(node, list):
        return [refer_to_choices(one, found) for one in node]
    if not isinstance(node, dict):
        return node
    if "enum" not in node or "title" not in node:
        return {key: refer_to_choices(value, found) for key, value in node.items()}
    name = node["title"]
    choice = {key: node[key] for key in ("type", "description", "enum", "examples")}
    if found.setdefault(name, choice) != choice:
        raise ValueError(f"two choices are named {name}")
    beside = {key: value for key, value in node.items() if key not in choice and key != "title"}
    return {"$ref": REFERENCE + name} | beside
