"""What an engine says of itself, so that the rest of the lab needs to know none by name.

An engine is one package with an ``EngineKind``, which is named in ``registry`` or, in a distribution of its own, as an
entry point of the group ``localpair_lab.engines``. pytest's plugin, the command line, ``doctor`` and the benchmarks go
through the registry, and offer each engine's options as their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from localpair_lab.engines.base import Missing
from localpair_lab.engines.capabilities import RESTS_ON, missing
from localpair_lab.errors import LabError

if TYPE_CHECKING:
    from localpair_lab.engines.base import Engine

Choices: TypeAlias = Mapping[str, Any]
"""The value of each option of an engine, by its name."""


@dataclass(frozen=True, slots=True)
class EngineOption:
    """One option: ``--lab-NAME`` for pytest, ``--NAME`` for ``localpair-lab``.

    Without ``choices`` and ``metavar`` it is a switch. What ``is_spread`` may be given several times, and each play
    takes the next of the values.
    """

    name: str
    help: str
    choices: tuple[str, ...] = ()  # the first one is the default
    metavar: str = ""
    is_spread: bool = False

    @property
    def key(self) -> str:
        """Its name among ``Choices``."""
        return self.name.replace("-", "_")

    @property
    def default(self) -> Any:
        """Its value where nobody has given one, and it is not spread."""
        return self.choices[0] if self.choices else "" if self.metavar else False

    def as_argument(self) -> dict[str, Any]:
        """The keywords of ``add_argument``, of pytest's ``addoption`` as well."""
        if self.is_spread:
            return {"action": "append", "default": [], "metavar": self.metavar, "help": self.help}
        if self.choices:
            return {"choices": self.choices, "default": self.default, "help": self.help}
        if self.metavar:
            return {"default": self.default, "metavar": self.metavar, "help": self.help}
        return {"action": "store_true", "help": self.help}


@dataclass(frozen=True, slots=True)
class EngineKind:
    """One engine. Whatever costs time to load is loaded by its functions.

    ``nodes_are`` says in words what its devices are. ``make`` gives the engine, and raises ``LabError`` where it cannot
    be loaded. ``weight`` is how many tokens a play takes at first (``run.pool``): light engines play before heavy ones,
    and ``auto`` takes the heaviest that ``answers``. ``trials`` gives what went wrong with each trial of the fabric,
    and raises ``LabError`` where none can be made. ``module`` is loaded ahead by processes that play.
    """

    name: str
    nodes_are: str
    module: str
    make: Callable[[Choices], Engine]
    weight: Callable[[Choices], int]
    trials: Callable[[], Mapping[str, str]]
    answers: Callable[[], bool] = lambda: True
    options: tuple[EngineOption, ...] = ()

    def choices(self, told: Choices, number: int = 0) -> dict[str, Any]:
        """What ``told`` says of this engine's options, for the ``number``-th play."""
        chosen: dict[str, Any] = {}
        for option in self.options:
            value = told.get(option.key, [] if option.is_spread else option.default)
            chosen[option.key] = (value[number % len(value)] if value else "") if option.is_spread else value
        return chosen

    def doctor(self) -> list[CapabilityFinding]:
        """What this machine can and cannot play with it, capability by capability."""
        try:
            lacking = {one.capability: one for one in missing(list(RESTS_ON), self.trials())}
        except LabError as error:
            lacking = {name: Missing(name, error.message, error.hint) for name in RESTS_ON}
        return [_finding(self.name, name, lacking.get(name)) for name in RESTS_ON]


@dataclass(frozen=True, slots=True)
class CapabilityFinding:
    """One line of ``doctor``: a capability of an engine, whether it is there, why not, and what mends it."""

    engine: str
    capability: str
    works: bool
    reason: str = ""
    mend: str = ""


def _finding(engine: str, capability: str, lacking: Missing | None) -> CapabilityFinding:
    if lacking is None:
        return CapabilityFinding(engine, capability, works=True)
    return CapabilityFinding(engine, capability, works=False, reason=lacking.reason, mend=lacking.mend)
