"""Reading on after a mistake: what cannot be read is left out, so that everything else is checked in the
same go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from localpair_lab.loading.problems import Where
from localpair_lab.loading.yaml_tree import Branch, Tree, follow


def leave_out(content: Any, entries: Any, removed: set[Where]) -> bool:
    """Remove what could not be read from ``content`` and fill in what is missing at the top; False:
    hopeless.
    """
    spots = set()
    for entry in entries:
        where = tuple(entry["loc"])
        if entry["type"] == "missing" and len(where) == 1:
            content[where[0]] = _FILLERS[where[0]]
        else:
            spots.add(_spot(content, where))
    for spot in sorted(spots - {()}, key=_order, reverse=True):
        node_init = content
        for step in spot[:-1]:
            node_init = node_init[step]
        del node_init[spot[-1]]
    removed.update([original(spot, removed) for spot in spots - {()}])
    return () not in spots


def once(tree: Branch, entries: Any, removed: set[Where]) -> Iterator[Any]:
    """The entries without those that one slip adds to another: that a key is missing which stands there, and was left
    out or has no value, as is told already; and what each of several kinds of value says of a value that is none.
    """
    places = [follow(tree, original(tuple(entry["loc"]), removed))[1] for entry in entries]
    for number, (entry, where) in enumerate(zip(entries, places, strict=True)):
        others = [
            entries[n] for n, place in enumerate(places) if n != number and place[: len(where)] == where
        ]
        if entry["type"] == "missing" and _stands(tree, original(tuple(entry["loc"]), removed)):
            continue
        if entry["type"] == "tuple_type" and any(_is_word(other) for other in others):
            continue
        if entry["type"] == "literal_error" and not _is_word(entry) and others:
            continue
        yield entry


def _stands(tree: Tree, where: Where) -> bool:
    """Whether the file has the key, with whatever value."""
    holder = follow(tree, where[:-1])[0]
    return isinstance(holder, Branch) and where[-1] in holder.keys


def _is_word(entry: Any) -> bool:
    return entry["type"] == "literal_error" and isinstance(entry["input"], str)


_FILLERS: dict[str, object] = {"lab": "1", "summary": "-", "networks": {}, "devices": {}, "expect": []}


def _spot(content: Any, where: Where) -> Where:
    """The part of ``where`` that ``content`` holds."""
    spot: Where = ()
    for step in where:
        held = (
            content.keys()
            if isinstance(content, dict)
            else range(len(content))
            if isinstance(content, list)
            else ()
        )
        if step in held:
            content = content[step]
            spot = (*spot, step)
    return spot


def _held(content: Any) -> Any:
    if isinstance(content, dict):
        return content.keys()
    return range(len(content)) if isinstance(content, list) else ()


def original(where: Where, removed: set[Where]) -> Where:
    """``where`` as the file counts, before list items were removed."""
    spot: Where = ()
    for step in where:
        if isinstance(step, int):
            for gone in sorted(_numbers_gone(spot, removed)):
                step += gone <= step
        spot = (*spot, step)
    return spot


def _numbers_gone(spot: Where, removed: set[Where]) -> list[int]:
    """The list positions directly under ``spot`` that were removed."""
    return [gone[-1] for gone in removed if gone[:-1] == spot and isinstance(gone[-1], int)]


def _order(where: Where) -> tuple[tuple[int, str], ...]:
    return tuple((step, "") if isinstance(step, int) else (0, step) for step in where)
