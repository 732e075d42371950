"""``localpair discover``: who is near."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localpair.cli.output import results
from localpair.cli.terminal.text import count
from localpair.events import PeerFound, SealedHeard

if TYPE_CHECKING:
    from localpair.cli.context import Context
    from localpair.cli.options.discover import Discover


async def run(command: Discover, context: Context) -> None:
    """Show each device that is heard, and how many there were."""
    heard: set[str] = set()
    sealed = False
    async for event in context.api.discover(command.timeout):
        if isinstance(event, PeerFound):
            heard.add(event.peer.instance)
        sealed = sealed or isinstance(event, SealedHeard)
        context.output.show(event)
    word, text = _summary(len(heard), command.timeout, sealed=sealed)
    context.output.show(results.NetworkVerdict(word, text, {"devices": len(heard), "sealed": sealed}))


def _summary(heard: int, timeout: float, *, sealed: bool) -> tuple[str, str]:
    """A stable word, and a sentence."""
    if heard:
        others = " Others are near that keep to themselves." if sealed else ""
        return "heard", f"{count(heard, 'device')} heard.{others}"
    if sealed:
        return "only-sealed", (
            "Somebody is near, but keeps to itself: paired devices, and those that show or have read an offer, are "
            "known to each other only."
        )
    return "nobody-heard", (
        f"No device was heard within {timeout:g} s. That proves nothing: a network may carry no multicast."
    )
