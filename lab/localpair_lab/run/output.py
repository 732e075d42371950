"""What the lines of a program mean: events, by the words that its action gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from localpair_lab.engines.base import OutputLine
from localpair_lab.model.words.phrases import matched
from localpair_lab.plan.actions import OutputWords

MOST_CHARACTERS = 16 << 20
"""Of one program that are kept; a program that floods must not fill the lab's memory."""


def json_event(words: OutputWords, line: OutputLine) -> dict[str, Any] | None:
    """The JSON event on a line of stdout, or None for anything else."""
    if not words.json or line.stream != "stdout":
        return None
    try:
        event = json.loads(line.text)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and "event" in event else None


def named_events(words: OutputWords, line: OutputLine) -> Iterator[dict[str, Any]]:
    """The events whose phrases the line holds, in the form of JSON events."""
    for name, phrase in words.events:
        if (found := matched(phrase, line.text)) is not None:
            yield {"event": name, **_nested(found)}


def _nested(flat: dict[str, str]) -> dict[str, Any]:
    """``path.remote`` is the key ``remote`` of the mapping ``path``."""
    made: dict[str, Any] = {}
    for name, value in flat.items():
        *above, last = name.split(".")
        inner = made
        for key in above:
            inner = inner.setdefault(key, {})
        inner[last] = value
    return made
