"""A failed play's network, left for a person to look around in before it is taken down."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable

from localpair_lab.engines.base import Running
from localpair_lab.errors import LabError
from localpair_lab.judge.verdict import Outcome
from localpair_lab.loading.cases import PlannedCell
from localpair_lab.run import standing


async def hold(
    cell: PlannedCell, running: Running, outcome: Outcome, interrupted: Callable[[], None]
) -> None:
    """Let other terminals enter the network, and wait. ``localpair-lab down`` ends that, and so does Ctrl-C, which is
    told by ``interrupted``.
    """
    try:
        network = standing.announce(cell.title, running, cell.plan)
    except LabError as error:
        _say(f"\n{cell.title} failed, and is not held: {error.message}")
        return
    try:
        await running.capture_again()
        _say(
            f"\n{cell.title} failed on {outcome.engine}, and its network stands; artifacts in {running.folder}"
        )
        _say("\n".join(f"  {failure}" for failure in outcome.failures))
        _say("\n".join(["in another terminal:", *(f"  {command}" for command in network.commands())]))
        _say("  localpair-lab down             takes it down, and the tests go on")
        _say("here: Ctrl-C takes it down and ends, with the whole failure")
        if await _ended() == signal.SIGINT:
            interrupted()
        await running.captured()
    finally:
        standing.withdraw()


async def _ended() -> signal.Signals:
    """Which of the two signals came."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[signal.Signals] = loop.create_future()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def end(number: signal.Signals) -> None:
        if not over.done():
            over.set_result(number)

    for number in before:
        loop.add_signal_handler(number, end, number)
    try:
        return await over
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
