"""What a rule says, before it is put into words, and the rules themselves as values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import TYPE_CHECKING, TypeAlias

from localpair.causes.facts import Transport
from localpair.causes.vocabulary import Cause, Confidence, Place
from localpair.dataclass import dataclass

if TYPE_CHECKING:
    from localpair.causes.rules.view import View

BOTH_TRANSPORTS = (Transport.TCP, Transport.UDP)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """A cause, or several that nothing known tells apart, the likeliest first. ``device`` is named by the view.

    ``subject`` names what it is about: interfaces, an address. ``transports`` and ``rejects`` say of a filter what it
    keeps out, and whether it says so.
    """

    causes: tuple[Cause, ...]
    device: Place
    confidence: Confidence
    evidence: tuple[str, ...]
    subject: str = ""
    transports: tuple[Transport, ...] = BOTH_TRANSPORTS
    rejects: bool = False


def certain(cause: Cause, device: Place, *evidence: str, subject: str = "") -> Conclusion:
    """A conclusion that nothing else known would explain."""
    return Conclusion((cause,), device, Confidence.CERTAIN, evidence, subject)


def likely(causes: Cause | tuple[Cause, ...], device: Place, *evidence: str, subject: str = "") -> Conclusion:
    """A conclusion that is the best one known, or several."""
    every = (causes,) if isinstance(causes, Cause) else causes
    return Conclusion(every, device, Confidence.LIKELY, evidence, subject)


class Tier(IntEnum):
    """What is told first. Where a tier has found something, those behind it would only see its shadow."""

    WORD = 0  # the other device was reached, and one side said no
    OWN = 1  # a device's own network
    PEER = 2  # who answers, and what discovery heard
    BOTH = 3  # the path, from both sides
    PATH = 4  # the path, from one side


Look: TypeAlias = Callable[["View"], Iterable[Conclusion]]


@dataclass(frozen=True, slots=True)
class CauseRule:
    """A rule: the causes that it can name, and the facts that it needs of ``here`` and of ``there``. A rule that needs
    facts of ``there`` says nothing without that side's record. Facts that it ``uses``, of either side, make it say
    more, and it can do without them.
    """

    look: Look
    tier: Tier
    causes: tuple[Cause, ...]
    needs: tuple[str, ...]
    needs_there: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of its function."""
        return str(getattr(self.look, "__name__", "rule"))
