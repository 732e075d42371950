"""Shrinking: take out of a scenario everything that a disagreement does not need.

Every part of the document is left out once, each in a play of its own and all of them side by side; what could go
alone then goes together as far as that disagrees in the same way. Then again, until nothing can go.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from localpair_lab.generate.sample import Sample, judged
from localpair_lab.loading.problems import ScenarioError

Path: TypeAlias = tuple[str | int, ...]
Document: TypeAlias = dict[str, Any]
Still: TypeAlias = Callable[[Sequence[Sample]], list[bool]]
"""Plays samples, and tells of each whether it still disagrees in the same way."""

NEVER = (("lab",), ("summary",), ("markers",), ("expect",), ("networks",), ("devices",), ("pair",))
KEPT = ("host", "join", "timeout", "network", "name", "do", "at", "id")
ROUNDS = 6


def shrink(sample: Sample, still: Still) -> Sample:
    """The smallest sample found that disagrees as ``sample`` does."""
    for _ in range(ROUNDS):
        candidates = [(path, one) for path in parts(sample.document) if (one := without(sample, [path]))]
        held = still([one for _, one in candidates]) if candidates else []
        removable = [path for (path, _), holds in zip(candidates, held, strict=True) if holds]
        if not removable:
            break
        sample = _leave_out(sample, removable, still)
    return sample


def _leave_out(sample: Sample, removable: list[Path], still: Still) -> Sample:
    """As many of the parts as can go together: all, else each half by itself; a single one is known to go."""
    smaller = without(sample, removable)
    if smaller is not None and (len(removable) == 1 or still([smaller])[0]):
        return smaller
    if len(removable) == 1:
        return sample
    middle = len(removable) // 2
    first = _leave_out(sample, removable[:middle], still)
    rest = without(first, removable[middle:])
    return rest if rest is not None and still([rest])[0] else first


def parts(document: Document) -> list[Path]:
    """What can be left out, the largest first."""
    found = [
        path for path in _paths(document, ()) if path not in NEVER and path[0] not in ("expect", "markers")
    ]
    return sorted(found, key=lambda path: -len(str(_at(document, path))))


def _paths(tree: Any, here: Path) -> Iterator[Path]:
    items: Any = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        if key not in KEPT:
            yield (*here, key)
        yield from _paths(value, (*here, key))


def _at(tree: Any, path: Path) -> Any:
    for step in path:
        tree = tree[step]
    return tree


def without(sample: Sample, paths: Sequence[Path]) -> Sample | None:
    """The sample without these parts, if that is a scenario of which the oracle says the same; else None."""
    document = copy.deepcopy(sample.document)
    for path in sorted(paths, key=_last_first, reverse=True):
        try:
            del _at(document, path[:-1])[path[-1]]
        except (KeyError, IndexError, TypeError):
            continue  # it went with a larger part
    tidy(document)
    try:
        smaller = judged(sample.name, document, sample.features)
    except (ScenarioError, ValueError, StopIteration):
        return None
    same = smaller.expected.answer is sample.expected.answer
    return smaller if same and smaller.document != sample.document else None


def _last_first(path: Path) -> tuple[tuple[int, str], ...]:
    """Orders paths so that later items of a list stand behind earlier ones."""
    return tuple((step, "") if isinstance(step, int) else (0, step) for step in path)


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
    _drop_empty(document)


def _tidy_events(document: Document, names: dict[str, set[Any]]) -> None:
    def stands(event: Document) -> bool:
        device, _, name = str(event.get("interface", "")).partition("/")
        return not device or name in names.get(device, ())

    events = [event for event in document.get("events", []) if stands(event)]
    known = {event["id"] for event in events} | {"host", "join"}
    document["events"] = [event for event in events if str(event["at"]).partition(".")[0] in known]
    if str(document["pair"].get("join_at", "host")).partition(".")[0] not in known:
        del document["pair"]["join_at"]


def _drop_empty(tree: Any) -> None:
    for key, value in list(tree.items()) if isinstance(tree, dict) else ():
        if isinstance(value, dict):
            _drop_empty(value)
        for one in value if isinstance(value, list) else ():
            _drop_empty(one)
        if value in ([], {}):
            del tree[key]
