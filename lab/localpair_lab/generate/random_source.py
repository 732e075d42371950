"""Where a generated topology's choices come from.

All choices go through here, and all of them through ``Random.random()``, whose sequence Python promises to keep:
one seed gives one topology on every machine. Hypothesis can stand in for the generator (``generate.strategy``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """Choices with weights."""

    def __init__(self, source: Random) -> None:
        self._source = source

    def flag(self, percent: float) -> bool:
        """True in ``percent`` of 100 cases."""
        return self._source.random() * 100 < percent

    def number(self, first: int, last: int) -> int:
        """A whole number from ``first`` to ``last``, both included."""
        return min(last, first + int(self._source.random() * (last - first + 1)))

    def one(self, options: Sequence[T]) -> T:
        """One of several, all alike."""
        return options[self.number(0, len(options) - 1)]

    def weighted(self, options: Mapping[T, float]) -> T:
        """One of several, each as often as its weight says."""
        left = self._source.random() * sum(options.values())
        for option, weight in options.items():
            left -= weight
            if left < 0:
                return option
        return next(reversed(list(options)))

    def some(self, options: Sequence[T], count: int) -> list[T]:
        """``count`` different ones, in a random order."""
        rest = list(options)
        return [rest.pop(self.number(0, len(rest) - 1)) for _ in range(min(count, len(rest)))]

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """All of them, in a random order."""
        return self.some(options, len(options))
