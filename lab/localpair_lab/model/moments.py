"""Moments of a run: a time after the start, or after an event of an action or of the network."""

from __future__ import annotations

import re
from typing import Any

from pydantic import GetJsonSchemaHandler, model_validator

from localpair_lab.model.common import Model
from localpair_lab.model.values import Duration

ACTION_EVENTS = (
    "started", "ready", "offer", "answer", "answered", "address", "peer", "attempt", "paired", "progress", "sent",
    "received", "verdict", "failed", "done", "ended",
)  # fmt: skip
"""What an action can be waited for: the product's JSON events, and the start and end of its process."""

_MOMENT = re.compile(
    r"(?P<who>[a-z][a-z0-9-]*)\.(?P<what>[a-z]+)"
    r"(?:\[(?P<nth>[1-9][0-9]*)\])?"
    r"(?:\s*\+\s*(?P<delay>\S+))?"
)


class Moment(Model):
    """``3s`` after the start, ``host.offer``, ``join.paired + 2s``, ``host.offer[2]`` (the second one),
    ``cut.done``.
    """

    who: str = ""
    what: str = ""
    delay: Duration = 0.0
    occurrence: int = 1

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        found = _MOMENT.fullmatch(value)
        if found is not None:
            moment = {"who": found["who"], "what": found["what"], "occurrence": int(found["nth"] or 1)}
            return moment | ({"delay": found["delay"]} if found["delay"] else {})
        if not value[:1].isdigit():
            raise ValueError(f"{value!r} is no moment; write 3s, host.offer, or host.offer + 2s")
        return {"delay": value}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: GetJsonSchemaHandler) -> Any:
        return {"type": "string", "description": cls.__doc__, "examples": ["3s", "host.offer + 2s"]}
