"""The namespace engine, as the registry knows it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Final

from localpair_lab.engines.base import Engine
from localpair_lab.engines.kinds import Choices, EngineKind, EngineOption

_MODULE: Final = "localpair_lab.engines.namespace.engine"


def _make(choices: Choices) -> Engine:
    engine: Engine = import_module(_MODULE).NamespaceEngine(cold=bool(choices.get("cold")))
    return engine


def _weight(choices: Choices) -> int:
    return 2 if choices.get("cold") else 1  # two interpreters start


def _trials() -> Mapping[str, str]:
    found: Mapping[str, str] = import_module("localpair_lab.engines.namespace.trials").namespaces()
    return found


KIND: Final = EngineKind(
    "namespace",
    "network namespaces",
    _MODULE,
    _make,
    _weight,
    _trials,
    options=(EngineOption("cold", "in namespaces too, every device starts an interpreter of its own"),),
)
