"""Which engines play a session: asked for by name, or found. Nothing is imported before it is needed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from typing import Literal

from localpair_lab.engines.base import Engine
from localpair_lab.errors import LabError

Wanted = Literal["auto", "compose", "namespace", "both"]
WANTED: tuple[Wanted, ...] = ("auto", "compose", "namespace", "both")
ENGINE_MODULES = {
    "namespace": "localpair_lab.engines.namespace.engine",
    "compose": "localpair_lab.engines.compose.engine",
}
ENGINES = tuple(ENGINE_MODULES)  # in the order in which they play


def engine_names(wanted: Wanted) -> list[str]:
    """The names of the engines that ``wanted`` stands for on this machine."""
    if wanted == "both":
        return ["namespace", "compose"]
    if wanted != "auto":
        return [wanted]
    return ["compose"] if docker_answers() else ["namespace"]


def docker_answers(docker_host: str = "") -> bool:
    """Whether a Docker engine with Compose v2 answers."""
    try:
        return bool(import_module(ENGINE_MODULES["compose"]).answers(docker_host))
    except ImportError:
        return False


def make_engine(
    name: str, *, docker_hosts: Sequence[str] = (), wiring: str = "fabric", cold: bool = False
) -> Engine:
    """The engine of that name. With several Docker hosts, each worker of a session takes its own. ``cold``: see
    ``NamespaceEngine``; containers always are.
    """
    if name == "namespace":
        engine: Engine = import_module(ENGINE_MODULES["namespace"]).NamespaceEngine(cold=cold)
        return engine
    try:
        module = import_module(ENGINE_MODULES["compose"])
    except ImportError as error:
        raise LabError(
            f"the compose engine cannot be loaded: {error}", hint="install the docker package"
        ) from None
    host = docker_hosts[worker_number() % len(docker_hosts)] if docker_hosts else ""
    wired = {"wiring": wiring} if wiring != "fabric" else {}
    composed: Engine = module.ComposeEngine(docker_host=host, **wired)
    return composed


def worker_number() -> int:
    """The number of this pytest worker; 0 where there is only one."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    return int(worker.removeprefix("gw")) if worker.removeprefix("gw").isdigit() else 0
