"""The compose engine, as the registry knows it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Final

from localpair_lab.engines.base import Engine
from localpair_lab.engines.kinds import Choices, EngineKind, EngineOption
from localpair_lab.errors import LabError

_MODULE: Final = "localpair_lab.engines.compose.engine"


def _make(choices: Choices) -> Engine:
    wiring = choices.get("wiring") or "fabric"
    engine: Engine = _module().ComposeEngine(docker_host=choices.get("docker_host") or "", wiring=wiring)
    return engine


def _weight(choices: Choices) -> int:
    del choices
    return 4  # a container's start keeps a core busy on its own


def _trials() -> Mapping[str, str]:
    found: Mapping[str, str] = _module().ComposeEngine().trials()
    return found


def _answers() -> bool:
    try:
        return bool(_module().answers())
    except LabError:
        return False


def _module() -> ModuleType:
    try:
        return import_module(_MODULE)
    except ImportError as error:
        raise LabError(
            f"the compose engine cannot be loaded: {error}", hint="install the docker package"
        ) from None


KIND: Final = EngineKind(
    "compose",
    "containers",
    _MODULE,
    _make,
    _weight,
    _trials,
    _answers,
    options=(
        EngineOption("docker-host", "may be given several times", metavar="URL", is_spread=True),
        EngineOption("wiring", "who makes the networks", choices=("fabric", "docker")),
    ),
)
