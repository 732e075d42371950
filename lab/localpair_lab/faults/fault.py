"""A fault that is put into a topology on purpose, and what may truly be said of the failure that it brings."""

from __future__ import annotations

from dataclasses import dataclass

HOST, JOIN, MERGED = "host", "join", "merged"
VIEWS = (MERGED, JOIN, HOST)
"""Where a verdict stands: on one of the two screens, or in what both reports come to."""


@dataclass(frozen=True, slots=True)
class Truth:
    """A cause that is truly there, in localpair's word. ``devices`` are those that have it; none where it lies between.
    ``outside``: it is how the fault looks to a side that cannot see it, and no truth about both sides' facts.
    """

    cause: str
    devices: tuple[str, ...] = ()
    outside: bool = False


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """What was put in. ``truths`` are all causes that name it, also as one side alone has to say it; ``decided`` are
    the views whose facts tell it from everything else.
    """

    name: str
    truths: tuple[Truth, ...]
    decided: frozenset[str] = frozenset()

    def is_named_by(self, cause: str, device: str, view: str) -> bool:
        """Whether ``cause`` is true of it in a view, at that device; where none is given, anywhere."""
        return any(
            one.cause == cause
            and (not device or not one.devices or device in one.devices)
            and not (one.outside and view == MERGED)
            for one in self.truths
        )
