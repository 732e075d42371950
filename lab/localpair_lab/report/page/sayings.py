"""A program's JSON events as short sentences: those of localpair in its own words, any other by name and fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Tone: TypeAlias = Literal["good", "bad", "plain", "soft"]
_MOST = 160


@dataclass(frozen=True, slots=True)
class Saying:
    """What a program said. ``tone`` ``soft``: of use to few."""

    text: str
    tone: Tone = "plain"


def saying(name: str, fields: dict[str, Any]) -> Saying:
    """The sentence for one event; fields of another shape than expected are told as they are."""
    try:
        return _known(name, fields) or _unknown(name, fields)
    except (TypeError, ValueError, LookupError, AttributeError):
        return _unknown(name, fields)


def _known(name: str, fields: dict[str, Any]) -> Saying | None:
    match name:
        case "offer":
            return Saying("shows an offer")
        case "answer":
            return Saying("shows an answer code")
        case "ready":
            addresses = ", ".join(str(entry["address"]) for entry in fields.get("addresses", ()))
            return Saying(f"is ready at {addresses or 'no address'}")
        case "address":
            return _address(fields)
        case "peer":
            addresses = ", ".join(str(entry["address"]) for entry in fields.get("addresses", ())[:2])
            return Saying(f"hears {fields.get('label') or fields.get('alias') or 'a device'} at {addresses}")
        case "attempt":
            return _attempt(fields)
        case "approval":
            return Saying(f"asks: is it {fields['peer']['label']}, code {fields.get('code')}?")
        case "paired":
            path = fields.get("path") or {}
            return Saying(
                f"is paired: {path.get('local')} with {path.get('remote')}, {path.get('direction')}", "good"
            )
        case "received" | "sent":
            size = f"{int(fields.get('bytes', 0)):,} B"
            return Saying(f"has {name} {str(fields.get('path')).rpartition('/')[2]}, {size}", "good")
        case "failed":
            return Saying(f"fails: {fields.get('message') or fields.get('reason')}", "bad")
        case "verdict" | "cause":
            return Saying(f"concludes: {fields.get('text') or fields.get('verdict')}", "bad")
        case "done":
            return Saying("is done", "good")
        case "progress":
            return Saying(
                f"{fields.get('direction')}: {fields.get('bytes')} of {fields.get('total')} B", "soft"
            )
    return None


def _address(fields: dict[str, Any]) -> Saying:
    about = fields.get("address") or fields.get("reason") or "no address"
    return Saying(f"stage {fields.get('stage')}: {about} {fields.get('outcome')}", "soft")


def _attempt(fields: dict[str, Any]) -> Saying:
    if fields.get("outcome") == "ok":
        return Saying(f"reached {fields.get('candidate')}, {fields.get('direction')}", "good")
    why = fields.get("errno") or fields.get("detail") or "no answer"
    return Saying(f"tried {fields.get('candidate')}: {why}", "bad")


def _unknown(name: str, fields: dict[str, Any]) -> Saying:
    simple = [f"{key} {value}" for key, value in fields.items() if isinstance(value, str | int | float)]
    told = f"{name}: {', '.join(simple)}" if simple else name
    return Saying(told if len(told) <= _MOST else f"{told[: _MOST - 1]}…", "soft")
