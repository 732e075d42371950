"""Reducing a scenario to what its failure needs.

Each part is left out once, all of them side by side; what could go alone then goes together, as far as the failure
stays the same. Then again, until nothing can go. How a part is left out, and whether the failure stays, is the
caller's.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Container, Iterator, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

Path: TypeAlias = tuple[str | int, ...]
"""The keys and numbers that lead from a document to one of its parts."""
Document: TypeAlias = dict[str, Any]
Subject = TypeVar("Subject")

ROUNDS = 6


class Reduction(Generic[Subject]):
    """``parts`` are what may go, the largest first; ``without`` leaves some out, and is None where no scenario is left
    or nothing is gone; ``still`` plays several subjects, and tells of each whether it fails in the same way.
    """

    def __init__(
        self,
        parts: Callable[[Subject], Sequence[Path]],
        without: Callable[[Subject, Sequence[Path]], Subject | None],
        still: Callable[[Sequence[Subject]], list[bool]],
    ) -> None:
        self._parts, self._without, self._still = parts, without, still

    def smallest(self, subject: Subject) -> Subject:
        """The smallest subject found that fails as ``subject`` does."""
        for _ in range(ROUNDS):
            tried = [(path, self._without(subject, [path])) for path in self._parts(subject)]
            candidates = [(path, one) for path, one in tried if one is not None]
            held = self._still([one for _, one in candidates]) if candidates else []
            removable = [path for (path, _), holds in zip(candidates, held, strict=True) if holds]
            if not removable:
                break
            subject = self._leave_out(subject, removable)
        return subject

    def _leave_out(self, subject: Subject, removable: Sequence[Path]) -> Subject:
        """As many parts as can go together: all, else each half by itself; a single one is known to go."""
        smaller = self._without(subject, removable)
        if smaller is not None and (len(removable) == 1 or self._still([smaller])[0]):
            return smaller
        if len(removable) == 1:
            return subject
        middle = len(removable) // 2
        first = self._leave_out(subject, removable[:middle])
        rest = self._without(first, removable[middle:])
        return rest if rest is not None and self._still([rest])[0] else first


def paths(tree: Any, kept: Container[str | int], here: Path = ()) -> Iterator[Path]:
    """The way to each part of a document, but to those under a key in ``kept``."""
    items: Any = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        if key not in kept:
            yield (*here, key)
        yield from paths(value, kept, (*here, key))


def largest_first(document: Document, found: Iterator[Path]) -> list[Path]:
    """The ways in ``found``, those to much text first."""
    return sorted(found, key=lambda path: -len(str(_at(document, path))))


def pruned(document: Document, gone: Sequence[Path]) -> Document:
    """A copy of ``document`` without these parts."""
    smaller = copy.deepcopy(document)
    for path in sorted(gone, key=_last_first, reverse=True):
        try:
            del _at(smaller, path[:-1])[path[-1]]
        except (KeyError, IndexError, TypeError):
            continue  # it went with a larger part
    return smaller


def drop_empty(tree: Any, kept: Container[str] = ()) -> None:
    """Take empty lists and maps out, but those under a key in ``kept``."""
    for key, value in list(tree.items()) if isinstance(tree, dict) else ():
        for one in (value, *(value if isinstance(value, list) else ())):
            drop_empty(one, kept)
        if value in ([], {}) and key not in kept:
            del tree[key]


def _at(tree: Any, path: Path) -> Any:
    for step in path:
        tree = tree[step]
    return tree


def _last_first(path: Path) -> tuple[tuple[int, str], ...]:
    """Orders paths so that later items of a list stand behind earlier ones."""
    return tuple((step, "") if isinstance(step, int) else (0, step) for step in path)
