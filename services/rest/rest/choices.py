"""Named choices: values of a closed list, as schemas describe them.

A schema holds a choice with its name as title, so that generated clients have one type for it.
"""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field

from loupe.contract import SCALE_FACTORS

Json = dict[str, Any]


def a_choice(name: str, description: str, values: Iterable[str | int]) -> Json:
    """Return the schema of a choice. A name stands for the same values everywhere."""
    options = list(values)
    kind = "integer" if isinstance(options[0], int) else "string"
    return {
        "title": name,
        "type": kind,
        "enum": options,
        "description": description,
        "examples": options[:1],
    }


SCALE_FACTOR = a_choice("ScaleFactor", "How many times longer each side of the result is.", SCALE_FACTORS)
ScaleFactor = Annotated[int, Field(json_schema_extra=SCALE_FACTOR)]
