"""Shrinking: take out of a scenario everything that a disagreement does not need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from localpair_lab.generate.sample import Sample, judged
from localpair_lab.loading.problems import ScenarioError
from localpair_lab.loading.reduction import (
    Document,
    Path,
    Reduction,
    drop_empty,
    largest_first,
    paths,
    pruned,
)

Still: TypeAlias = Callable[[Sequence[Sample]], list[bool]]
"""Plays samples, and tells of each whether it still disagrees in the same way."""

NEVER = (("lab",), ("summary",), ("markers",), ("expect",), ("networks",), ("devices",), ("pair",))
KEPT = ("host", "join", "timeout", "network", "name", "do", "at", "id")


def shrink(sample: Sample, still: Still) -> Sample:
    """The smallest sample found that disagrees as ``sample`` does."""
    return Reduction(lambda one: parts(one.document), without, still).smallest(sample)


def parts(document: Document) -> list[Path]:
    """What can be left out, the largest first."""
    found = (
        path for path in paths(document, KEPT) if path not in NEVER and path[0] not in ("expect", "markers")
    )
    return largest_first(document, found)


def without(sample: Sample, gone: Sequence[Path]) -> Sample | None:
    """The sample without these parts, if that is a scenario of which the oracle says the same; else None."""
    document = pruned(sample.document, gone)
    tidy(document)
    try:
        smaller = judged(sample.name, document, sample.features)
    except (ScenarioError, ValueError, StopIteration):
        return None
    same = smaller.expected.answer is sample.expected.answer
    return smaller if same and smaller.document != sample.document else None


# --- What nothing refers to any more ---


def tidy(document: Document) -> None:
    """Take out what hangs on a part that is gone: routes, rules, ports, moments, networks without members."""
    names = {}
    for device, entry in document["devices"].items():
        names[device] = {one.get("name") or one.get("bridge") for one in entry.get("interfaces", [])}
        entry["routes"] = [one for one in entry.get("routes", []) if one.get("on") in (None, *names[device])]
        for chain in entry.get("firewall", {}).values():
            if isinstance(chain, dict) and "rules" in chain:
                chain["rules"] = [one for one in chain["rules"] if one.get("on") in (None, *names[device])]
    _tidy_events(document, names)
    used = {
        one.get("network") for entry in document["devices"].values() for one in entry.get("interfaces", [])
    }
    used |= {name for router in document.get("routers", {}).values() for name in router.get("on", {})}
    used |= {event["to"] for event in document.get("events", []) if "to" in event}
    document["networks"] = {name: one for name, one in document["networks"].items() if name in used}
    drop_empty(document)


def _tidy_events(document: Document, names: dict[str, set[Any]]) -> None:
    def stands(event: Document) -> bool:
        device, _, name = str(event.get("interface", "")).partition("/")
        return not device or name in names.get(device, ())

    events = [event for event in document.get("events", []) if stands(event)]
    known = {event["id"] for event in events} | {"host", "join"}
    document["events"] = [event for event in events if str(event["at"]).partition(".")[0] in known]
    if str(document["pair"].get("join_at", "host")).partition(".")[0] not in known:
        del document["pair"]["join_at"]
