"""Which engines there are, and which of them play: asked for by name, or found."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final

from localpair_lab.engines.base import Engine
from localpair_lab.engines.kinds import CapabilityFinding, EngineKind, EngineOption
from localpair_lab.errors import LabError

GROUP: Final = "localpair_lab.engines"
AUTO, ALL = "auto", "both"
_OWN: Final = ("localpair_lab.engines.namespace.kind", "localpair_lab.engines.compose.kind")
_kinds: dict[str, EngineKind] = {}


def register(kind: EngineKind) -> None:
    """Add an engine to this process. Raises ValueError where its name is taken."""
    if kind.name in (AUTO, ALL) or kind.name in kinds():
        raise ValueError(f"there is an engine called {kind.name} already")
    _kinds[kind.name] = kind


def kinds() -> Mapping[str, EngineKind]:
    """Every engine by its name, in the order in which they play: the light ones first."""
    if not _kinds:
        for module in _OWN:
            kind: EngineKind = import_module(module).KIND
            _kinds[kind.name] = kind
        for point in entry_points(group=GROUP):
            kind = point.load()
            _kinds.setdefault(kind.name, kind)
    return dict(sorted(_kinds.items(), key=lambda item: item[1].weight({})))


def wanted() -> list[str]:
    """The words that say which engines shall play."""
    return [AUTO, *kinds(), ALL]


def options() -> list[EngineOption]:
    """The options of all engines; one that several have is there once."""
    found = {option.name: option for kind in kinds().values() for option in kind.options}
    return list(found.values())


def engine_names(word: str) -> list[str]:
    """The names of the engines that ``word`` stands for on this machine."""
    if word == ALL:
        return list(kinds())
    if word != AUTO:
        return [word]
    heaviest_first = reversed(list(kinds().values()))
    return [next((kind.name for kind in heaviest_first if kind.answers()), next(iter(kinds())))]


def make_engine(name: str, told: Mapping[str, Any] | None = None) -> Engine:
    """The engine of that name, with what ``told`` says of its options. Of several values of one that is spread, each
    worker of a session takes its own. Raises LabError where the engine cannot be loaded.
    """
    kind = _kind(name)
    return kind.make(kind.choices(told or {}, worker_number()))


def choices(name: str, told: Mapping[str, Any], number: int) -> tuple[tuple[str, Any], ...]:
    """What ``told`` says of that engine's options, for the ``number``-th play."""
    return tuple(_kind(name).choices(told, number).items())


def make_chosen(name: str, chosen: tuple[tuple[str, Any], ...]) -> Engine:
    """The engine of that name with those ``choices``. Raises LabError."""
    return _kind(name).make(dict(chosen))


def weight(name: str, chosen: tuple[tuple[str, Any], ...]) -> int:
    """How many tokens a play takes at first."""
    return _kind(name).weight(dict(chosen))


def modules(names: list[str]) -> list[str]:
    """What processes that play with those engines should load ahead."""
    return [_kind(name).module for name in names]


def doctor() -> list[CapabilityFinding]:
    """Everything this machine can and cannot play."""
    return [finding for kind in kinds().values() for finding in kind.doctor()]


def _kind(name: str) -> EngineKind:
    try:
        return kinds()[name]
    except KeyError:
        raise LabError(f"there is no engine called {name}", hint=f"there are: {', '.join(kinds())}") from None


def worker_number() -> int:
    """The number of this pytest worker; 0 where there is only one."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    return int(worker.removeprefix("gw")) if worker.removeprefix("gw").isdigit() else 0
