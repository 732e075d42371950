"""``localpair discover``: who is near."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localpair.cli import facts
from localpair.cli.text import count
from localpair.events import PeerFound

if TYPE_CHECKING:
    from localpair.cli.commands import Discover
    from localpair.cli.context import Context


async def run(command: Discover, context: Context) -> None:
    """Show each device that is heard, and how many there were."""
    heard: set[str] = set()
    async for event in context.api.discover(command.timeout):
        if isinstance(event, PeerFound):
            heard.add(event.peer.instance)
        context.output.show(event)
    context.output.show(_verdict(len(heard), command.timeout))


def _verdict(heard: int, timeout: float) -> facts.Verdict:
    if heard:
        return facts.Verdict("heard", f"{count(heard, 'device')} heard.", {"devices": heard})
    return facts.Verdict(
        "nobody-heard",
        f"No device was heard within {timeout:g} s. That proves nothing: a network may carry no multicast.",
        {"devices": 0},
    )
