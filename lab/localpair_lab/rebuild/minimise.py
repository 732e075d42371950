"""Leaving out of a scenario what its failure does not need.

Each part is left out once, all of them side by side, each in a play of its own; what could go alone then goes together,
as far as the scenario still fails in the same way: the same exit codes, the same verdicts. Then again, until nothing
can go.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from localpair_lab.generate.sample import planned_text
from localpair_lab.generate.yaml_writer import as_text
from localpair_lab.loading.problems import ScenarioError

Path: TypeAlias = tuple[str | int, ...]
Document: TypeAlias = dict[str, Any]
Still: TypeAlias = Callable[[Sequence[str]], list[bool]]
"""Plays scenario texts, and tells of each whether it still fails in the same way."""

ROUNDS = 6
_TEXT = ("lab", "summary", "references", "markers", "expect")
"""What is said of a scenario, and what must come of it."""
_WHOLE = (*_TEXT, "networks", "devices", "pair", "actions", "limit", "seed")
_NEEDED = ("host", "join", "timeout", "do", "id", "of", "name", "network", "ip")


def minimised(document: Document, still: Still) -> Document:
    """The smallest document found that fails as ``document`` does."""
    for _ in range(ROUNDS):
        candidates = [(path, text) for path in parts(document) if (text := text_without(document, [path]))]
        held = still([text for _, text in candidates]) if candidates else []
        removable = [path for (path, _), holds in zip(candidates, held, strict=True) if holds]
        if not removable:
            break
        document = _leave_out(document, removable, still)
    return document


def _leave_out(document: Document, removable: list[Path], still: Still) -> Document:
    """As many of the parts as can go together: all, else each half by itself; a single one is known to go."""
    text = text_without(document, removable)
    if text and (len(removable) == 1 or still([text])[0]):
        return without(document, removable)
    if len(removable) == 1:
        return document
    middle = len(removable) // 2
    first = _leave_out(document, removable[:middle], still)
    text = text_without(first, removable[middle:])
    return without(first, removable[middle:]) if text and still([text])[0] else first


def parts(document: Document) -> list[Path]:
    """What can be left out, the largest first."""
    found = [path for path in _paths(document, ()) if path[0] not in _TEXT]
    return sorted(found, key=lambda path: -len(str(_at(document, path))))


def _paths(tree: Any, here: Path) -> Iterator[Path]:
    items: Any = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        if key not in _NEEDED and not (not here and key in _WHOLE):
            yield (*here, key)
        yield from _paths(value, (*here, key))


def _at(tree: Any, path: Path) -> Any:
    for step in path:
        tree = tree[step]
    return tree


def without(document: Document, paths: Sequence[Path]) -> Document:
    """A copy without these parts, and without what is empty then."""
    smaller = copy.deepcopy(document)
    for path in sorted(paths, key=_last_first, reverse=True):
        try:
            del _at(smaller, path[:-1])[path[-1]]
        except (KeyError, IndexError, TypeError):
            continue  # it went with a larger part
    _drop_empty(smaller)
    return smaller


def text_without(document: Document, paths: Sequence[Path]) -> str:
    """The file without these parts; empty where that is no scenario, or the same one."""
    smaller = without(document, paths)
    text = as_text(smaller)
    try:
        planned_text("minimised", text)
    except (ScenarioError, ValueError, StopIteration, KeyError):
        return ""
    return text if smaller != document else ""


def _last_first(path: Path) -> tuple[tuple[int, str], ...]:
    """Orders paths so that later items of a list stand behind earlier ones."""
    return tuple((step, "") if isinstance(step, int) else (0, step) for step in path)


def _drop_empty(tree: Any) -> None:
    for key, value in list(tree.items()) if isinstance(tree, dict) else ():
        for one in (value, *(value if isinstance(value, list) else ())):
            _drop_empty(one)
        if value in ([], {}) and key != "ip":
            del tree[key]
