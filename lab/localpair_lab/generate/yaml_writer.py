"""A scenario's content as the text of a file that people like to read."""

from __future__ import annotations

from typing import Any

import yaml  # type: ignore[import-untyped, unused-ignore]

WIDTH = 110
LINE = 90  # the longest mapping or list that is written on one line
PARTS = (
    ("lab", "summary", "references", "markers", "seed", "matrix"),
    ("networks", "routers", "devices", "decoys"),
)
SCHEMA = "# yaml-language-server: $schema=../../scenario.schema.json\n"


class _Dumper(yaml.SafeDumper):  # type: ignore[misc, unused-ignore]
    """Without anchors, and without quotes where the lab needs none: it reads every scalar as text."""

    yaml_implicit_resolvers: Any = {}  # noqa: RUF012 - read only

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _number(dumper: yaml.SafeDumper, value: int) -> Any:
    return dumper.represent_str(str(value))


_Dumper.add_representer(int, _number)


def _mapping(dumper: yaml.SafeDumper, value: dict[str, Any]) -> Any:
    return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=_is_short(value))


def _sequence(dumper: yaml.SafeDumper, value: list[Any]) -> Any:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=_is_short(value))


def _is_short(value: object) -> bool:
    """Whether it stays on one line."""
    return len(str(value).replace("'", "")) <= LINE


_Dumper.add_representer(dict, _mapping)
_Dumper.add_representer(list, _sequence)


def as_text(document: dict[str, Any]) -> str:
    """The file: one line for each small mapping, blank lines between the parts."""
    known = {key for keys in PARTS for key in keys}
    parts = (*PARTS, tuple(key for key in document if key not in known))
    return SCHEMA + "\n".join(
        _block({key: document[key] for key in keys if key in document}) for keys in parts
    )


def _block(found: dict[str, Any]) -> str:
    """Each of the keys begins a line of its own."""
    return "".join(_line({key: value}) for key, value in found.items())


def _line(found: dict[str, Any]) -> str:
    text: str = yaml.dump(found, Dumper=_Dumper, sort_keys=False, width=WIDTH, allow_unicode=True)
    return text.removeprefix("{").removesuffix("}\n") + "\n" if text.startswith("{") else text
