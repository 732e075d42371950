"""Plans in real containers: a rendered Compose project whose devices run the built wheel in the lab's
image.
"""

from __future__ import annotations

import asyncio
import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from localpair_lab.engines import capabilities
from localpair_lab.engines.base import Missing
from localpair_lab.engines.compose import device_image, image, lease
from localpair_lab.engines.compose.cleanup import watch
from localpair_lab.engines.compose.docker_host import DockerHost, has_compose
from localpair_lab.engines.compose.docker_networks import BridgedRunning, unplayable
from localpair_lab.engines.compose.exec import FABRIC_PROGRAM
from localpair_lab.engines.compose.render import as_text, project_name, render, rights_of_the_fabric
from localpair_lab.engines.compose.running import CAPTURES, FILE, ComposeRunning
from localpair_lab.engines.network import STEPS_FILE, Wiring
from localpair_lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localpair_lab.engines.network import Prober
    from localpair_lab.plan.model import Plan


def write_project(plan: Plan, folder: Path) -> Path:
    """Write the plan's project into ``folder``; its Compose file, up with plain ``docker compose -f FILE up -d``.

    Needs no engine; the image it names is made by ``script/bootstrap``.
    """
    if named := next((node for node in plan.nodes if node.image), None):
        reason = f"{named.name} has an image of its own, and only the lab puts its programs on top of that"
        raise LabError(reason, hint="localpair-lab up plays it")
    wiring = Wiring(plan, _oracle_probes()(plan), CAPTURES)
    labels = {lease.LABEL: "1"}
    name = project_name(plan, plan.cell or "project")
    rendered = render(plan, name=name, image=image.LATEST, labels=labels, project=wiring.project())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / STEPS_FILE).write_text(wiring.script(), encoding="utf-8")
    file = folder / FILE
    file.write_text(as_text(plan, rendered, FILE))
    return file


def answers(docker_host: str = "") -> bool:
    """Whether an engine with Compose v2 answers there (empty: where ``docker`` would look). Never raises."""
    try:
        return has_compose() and bool(DockerHost(docker_host).version)
    except LabError:
        return False


class ComposeEngine:
    """See ``Engine``. ``docker_host`` empty: the engine that ``docker`` would use."""

    name = "compose"

    def __init__(
        self,
        docker_host: str = "",
        prober: Prober | None = None,
        wiring: Literal["fabric", "docker"] = "fabric",
    ) -> None:
        self._host = DockerHost(docker_host)
        self._wiring = wiring
        self._prober = prober

    @functools.cache  # noqa: B019 - one engine object lives as long as the session
    def trials(self) -> Mapping[str, str]:
        """Each trial of the fabric, made in a container, with what went wrong. Asked
        once.
        """
        if not has_compose():
            raise LabError("`docker compose` (version 2) is missing", hint="sudo lab/compose/install-engine")
        output: bytes = self._host.client.containers.run(
            image.ensure(self._host),
            [*FABRIC_PROGRAM, "try"],
            **rights_of_the_fabric(),
            labels={lease.LABEL: "1"},
            remove=True,
        )
        found: dict[str, str] = json.loads(output)
        return found

    def supports(self, plan: Plan) -> list[Missing]:
        """See ``Engine``."""
        try:
            lacking = capabilities.missing(plan.needs, self.trials())
        except LabError as error:
            return [Missing("events", error.message, error.hint)]
        lacking += device_image.missing(plan, self._host)
        return lacking + (unplayable(plan) if self._wiring == "docker" else [])

    async def up(self, plan: Plan, folder: Path) -> ComposeRunning:
        """See ``Engine``."""
        await asyncio.to_thread(functools.partial(folder.mkdir, parents=True, exist_ok=True))
        watch(self._host.address)
        probes = (self._prober or _oracle_probes())(plan)
        wiring = Wiring(plan, probes, CAPTURES)
        kind = BridgedRunning if self._wiring == "docker" else ComposeRunning
        running = kind(plan, folder, self._host, wiring, probes)
        try:
            await running.build(await asyncio.to_thread(image.ensure, self._host))
        except BaseException:
            await running.collect()
            await running.down()
            raise
        return running


def _oracle_probes() -> Prober:
    from localpair_lab.oracle.judge import probes

    return probes
