"""The matrix: one scenario file, several cells.

    matrix:
      loss: [20%, 60%]
      order: {permutations: [eth0, docker0, vbox0]}

``${loss}`` anywhere in the file becomes the cell's value: a whole value of any shape, or a part of a text.
A mapping that holds ``cells: {loss: 60%}`` exists in those cells only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations, product
from typing import TypeAlias

from localpair_lab.loading.problems import Where, meant
from localpair_lab.loading.yaml_tree import Branch, Leaf, Series, Tree

Say: TypeAlias = Callable[[Where, str, str], None]
"""Takes a problem: where, what, and what may have been meant."""

MOST_CELLS = 200
MOST_PERMUTED = 5  # 120 orders
_SIGNS = {"-": "minus-", "+": "plus-"}
_NAME = re.compile(r"\$\{([^}]*)\}")


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its name (empty where there is no matrix) and its tree, without ``matrix`` and ``cells``."""

    name: str
    tree: Branch


def cells(tree: Branch, say: Say) -> list[Cell]:
    """Every cell of the file, in the order of writing. Problems go to ``say``."""
    rest = Branch({k: v for k, v in tree.items.items() if k != "matrix"}, tree.keys, tree.mark)
    axes = _axes(tree.items.get("matrix"), say)
    _check_uses(rest, axes, say)
    found: list[Cell] = []
    for values in product(*axes.values()):
        chosen = dict(zip(axes, values, strict=True))
        filled = _fill(rest, chosen)
        name = "-".join(_slug(value) for value in values)
        if any(other.name == name for other in found):
            name = f"{name}-{len(found) + 1}"
        if isinstance(filled, Branch):
            found.append(Cell(name, filled))
    return found[:MOST_CELLS]


def _axes(matrix: Tree | None, say: Say) -> dict[str, list[Tree]]:
    if matrix is None:
        return {}
    if not isinstance(matrix, Branch):
        say(("matrix",), "a mapping of names to lists of values is expected here", "")
        return {}
    axes = {name: _axis(name, values, say) for name, values in matrix.items.items()}
    size = 1
    for values in axes.values():
        size *= max(1, len(values))
    if size > MOST_CELLS:
        say(("matrix",), f"{size} cells are more than {MOST_CELLS}; make the matrix smaller", "")
        return {name: values[:1] for name, values in axes.items() if values}
    return {name: values for name, values in axes.items() if values}


def _axis(name: str, values: Tree, say: Say) -> list[Tree]:
    if isinstance(values, Branch) and list(values.items) == ["permutations"]:
        inner = values.items["permutations"]
        if isinstance(inner, Series) and len(inner.items) > MOST_PERMUTED:
            say(("matrix", name), f"at most {MOST_PERMUTED} things can be put into every order", "")
            return []
        if isinstance(inner, Series):
            return [Series(order, inner.mark) for order in permutations(inner.items)]
    if isinstance(values, Series) and values.items:
        return list(values.items)
    say(("matrix", name), "a list of values, or {permutations: [...]}, is expected here", "")
    return []


def _slug(tree: Tree) -> str:
    if isinstance(tree, Leaf):
        signed = re.sub(r"^([-+])(?=[0-9])", lambda sign: _SIGNS[sign[1]], tree.text.lower())
        return re.sub(r"[^a-z0-9]+", "-", signed).strip("-") or "none"
    if isinstance(tree, Series):
        return "-".join(_slug(item) for item in tree.items) or "none"
    return "-".join(_slug(item) for item in tree.items.values()) or "none"


def _fill(tree: Tree, chosen: dict[str, Tree]) -> Tree | None:
    """The tree with the cell's values; None where its ``cells`` say that it does not exist there."""
    if isinstance(tree, Leaf):
        return _fill_leaf(tree, chosen)
    if isinstance(tree, Series):
        kept = (_fill(item, chosen) for item in tree.items)
        return Series(tuple(item for item in kept if item is not None), tree.mark)
    if not _exists(tree, chosen):
        return None
    filled = {key: _fill(value, chosen) for key, value in tree.items.items() if key != "cells"}
    keys = {key: mark for key, mark in tree.keys.items() if key not in filled or filled[key] is not None}
    return Branch({key: value for key, value in filled.items() if value is not None}, keys, tree.mark)


def _fill_leaf(leaf: Leaf, chosen: dict[str, Tree]) -> Tree:
    whole = _NAME.fullmatch(leaf.text)
    if whole is not None and whole[1] in chosen:
        return chosen[whole[1]]

    def value(found: re.Match[str]) -> str:
        tree = chosen.get(found[1])
        return tree.text if isinstance(tree, Leaf) else found[0]

    return Leaf(_NAME.sub(value, leaf.text), leaf.mark)


def _exists(branch: Branch, chosen: dict[str, Tree]) -> bool:
    wanted = branch.items.get("cells")
    if not isinstance(wanted, Branch):
        return True
    return all(
        axis in chosen and _slug(chosen[axis]) in {_slug(value) for value in _values(values)}
        for axis, values in wanted.items.items()
    )


def _values(tree: Tree) -> tuple[Tree, ...]:
    return tree.items if isinstance(tree, Series) else (tree,)


def _check_uses(tree: Branch, axes: dict[str, list[Tree]], say: Say) -> None:
    used: set[str] = set()
    for where, leaf in _leaves(tree, ()):
        for name in _NAME.findall(leaf.text):
            used.add(name)
            if name not in axes:
                say(where, f"${{{name}}} is no axis of the matrix", meant(name, axes))
    for where, wanted in _conditions(tree, ()):
        for axis, values in wanted.items.items():
            used.add(axis)
            _check_condition((*where, axis), axis, values, axes, say)
    for name in axes:
        if name not in used:
            say(("matrix", name), f"nothing uses ${{{name}}}", "")


def _check_condition(where: Where, axis: str, values: Tree, axes: dict[str, list[Tree]], say: Say) -> None:
    if axis not in axes:
        say(where, f"{axis!r} is no axis of the matrix", meant(axis, axes))
        return
    known = {_slug(value) for value in axes[axis]}
    for value in _values(values):
        if _slug(value) not in known:
            say(where, f"{axis} is never {_slug(value)!r} in the matrix", meant(_slug(value), known))


def _leaves(tree: Tree, where: Where) -> Iterator[tuple[Where, Leaf]]:
    if isinstance(tree, Leaf):
        yield where, tree
        return
    steps = enumerate(tree.items) if isinstance(tree, Series) else tree.items.items()
    for step, below in steps:
        yield from _leaves(below, (*where, step))


def _conditions(tree: Tree, where: Where) -> Iterator[tuple[Where, Branch]]:
    if isinstance(tree, Leaf):
        return
    if isinstance(tree, Branch) and isinstance(wanted := tree.items.get("cells"), Branch):
        yield (*where, "cells"), wanted
    steps = enumerate(tree.items) if isinstance(tree, Series) else tree.items.items()
    for step, below in steps:
        yield from _conditions(below, (*where, step))
