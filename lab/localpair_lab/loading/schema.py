"""``scenario.schema.json``: what editors check and complete while a scenario is written. Generated from the
model.
"""

from __future__ import annotations

import json
from typing import Any

from localpair_lab.model.scenario import Scenario
from localpair_lab.paths import SCHEMA

FILE = SCHEMA

_ANY_SCALAR = {"type": ["string", "number", "boolean"]}  # the loader keeps what was typed, an editor does not
_CELLS = {
    "type": "object",
    "description": "This exists only in the cells of the matrix that have one of these values.",
    "additionalProperties": {"anyOf": [_ANY_SCALAR, {"type": "array", "items": _ANY_SCALAR}]},
}
_MATRIX = {
    "type": "object",
    "description": "One cell for each combination of values; ${name} stands for the cell's value.",
    "additionalProperties": {
        "anyOf": [
            {"type": "array"},
            {
                "type": "object",
                "properties": {"permutations": {"type": "array"}},
                "required": ["permutations"],
                "additionalProperties": False,
            },
        ]
    },
}


_PLACEHOLDER = {"type": "string", "pattern": r"\$\{[^}]+\}", "description": "The cell's value of the matrix."}


def schema() -> dict[str, Any]:
    """The schema: the model's own, with the matrix and its conditions, which the loader takes away before."""
    made = Scenario.model_json_schema()
    for definition in made["$defs"].values():
        for part in (definition, *definition.get("anyOf", ())):
            _widen(part)
    _widen(made)
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    made["title"] = "A scenario of the localpair lab"
    made["properties"]["lab"] = {"enum": [1, "1"], "description": "The version of this format."}
    made["properties"]["matrix"] = _MATRIX
    made["properties"].pop("cells")
    made["$defs"]["Placeholder"] = _PLACEHOLDER
    return made


def _widen(part: dict[str, Any]) -> None:
    """Every key may hold a cell's value, and every mapping may exist in some cells only."""
    if "properties" not in part:
        return
    for name, entry in part["properties"].items():
        _as_editors_read(entry)
        part["properties"][name] = {"anyOf": [entry, {"$ref": "#/$defs/Placeholder"}]}
    part["properties"]["cells"] = _CELLS


def _as_editors_read(entry: Any) -> None:
    """Editors read ``1`` as a number where the loader reads text: enumerations of digits and free values
    take both.
    """
    if isinstance(entry, list):
        for one in entry:
            _as_editors_read(one)
    if not isinstance(entry, dict):
        return
    if any(isinstance(word, str) and word.isdigit() for word in entry.get("enum", ())):
        entry["enum"] = [*entry["enum"], *(int(word) for word in entry["enum"] if word.isdigit())]
        entry.pop("type", None)
    if entry.get("additionalProperties") == {"type": "string"}:
        entry["additionalProperties"] = _ANY_SCALAR
        entry["properties"] = {"cells": _CELLS}
    if "oneOf" in entry:
        entry["anyOf"] = entry.pop("oneOf")  # `do: ${how}` fits several kinds of event
    for value in entry.values():
        _as_editors_read(value)


def schema_text() -> str:
    """The file's content."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
