"""Plans on plain Linux network namespaces: no container, no root where the kernel allows it, nothing left
behind.

One fabric process per run owns everything: the bridges in its own network, and each node as the first
process of namespaces of its own. All of them are children by blood and by ``PDEATHSIG``, so the end of the
lab, however sudden, is the end of them.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from localpair_lab.engines import capabilities
from localpair_lab.engines.base import Missing
from localpair_lab.engines.namespace import device_programs
from localpair_lab.engines.namespace.running import NamespaceRunning
from localpair_lab.engines.namespace.trials import namespaces
from localpair_lab.engines.network import Wiring

if TYPE_CHECKING:
    from collections.abc import Sequence

    from localpair_lab.engines.network import Prober
    from localpair_lab.plan.model import Plan


class NamespaceEngine:
    """See ``Engine``. ``product`` is the command that runs localpair (the installed one without it); ``prober`` gives
    the canary its probes.

    Devices fork a process that has localpair imported already, with the same outcome in a third of the processor's
    time. ``cold``: they start it as a person's shell does, which is what figures of time need.
    """

    name = "namespace"

    def __init__(
        self, product: Sequence[str] | None = None, prober: Prober | None = None, *, cold: bool = False
    ) -> None:
        self._product = tuple(product or capabilities.product_command())
        self._cold = cold or product is not None
        self._prober = prober

    def supports(self, plan: Plan) -> list[Missing]:
        """See ``Engine``."""
        lacking = capabilities.missing(plan.needs, namespaces())
        return [*lacking, *device_programs.missing(plan, self._product[0])]

    async def up(self, plan: Plan, folder: Path) -> NamespaceRunning:
        """See ``Engine``."""
        folder = await asyncio.to_thread(_made, folder)
        prober = self._prober or _oracle_probes()
        wiring = Wiring(plan, prober(plan), str(folder / "captures"))
        running = NamespaceRunning(plan, folder, self._product, wiring, cold=self._cold)
        try:
            await running.build()
        except BaseException:
            await running.collect()
            await running.down()
            raise
        return running


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def _oracle_probes() -> Prober:
    from localpair_lab.oracle.judge import probes

    return probes
