"""Leaving out of a scenario what its failure does not need: the same exit codes, the same verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from localpair_lab.generate.sample import planned_text
from localpair_lab.generate.yaml_writer import as_text
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

Still: TypeAlias = Callable[[Sequence[str]], list[bool]]
"""Plays scenario texts, and tells of each whether it still fails in the same way."""

_TEXT = ("lab", "summary", "references", "markers", "expect")
"""What is said of a scenario, and what must come of it."""
_WHOLE = (*_TEXT, "networks", "devices", "pair", "actions", "limit", "seed")
_NEEDED = ("host", "join", "timeout", "do", "id", "of", "name", "network", "ip")


def minimised(document: Document, still: Still) -> Document:
    """The smallest document found that fails as ``document`` does."""
    return Reduction(parts, _scenario_without, lambda found: still([as_text(one) for one in found])).smallest(
        document
    )


def parts(document: Document) -> list[Path]:
    """What can be left out, the largest first."""
    found = (
        path
        for path in paths(document, _NEEDED)
        if path[0] not in _TEXT and not (len(path) == 1 and path[0] in _WHOLE)
    )
    return largest_first(document, found)


def text_without(document: Document, gone: Sequence[Path]) -> str:
    """The file without these parts; empty where that is no scenario, or the same one."""
    smaller = _scenario_without(document, gone)
    return "" if smaller is None else as_text(smaller)


def _scenario_without(document: Document, gone: Sequence[Path]) -> Document | None:
    smaller = pruned(document, gone)
    drop_empty(smaller, kept=("ip",))
    try:
        planned_text("minimised", as_text(smaller))
    except (ScenarioError, ValueError, StopIteration, KeyError):
        return None
    return smaller if smaller != document else None
