"""Looking around without pairing: who is near, and which addresses this device has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from localpair.events import AddressAttempt, Attempt, Event, OwnAddressSeen
from localpair.keys import DeviceIdentity, Role
from localpair.limits import DISCOVERY_VERDICT_S
from localpair.net.agent.agent import Agent
from localpair.net.agent.gathering import AddressReport
from localpair.net.agent.wanted import Wanted
from localpair.protocol.keyring import Keyring
from localpair.trace import TRACE
from localpair.wire.beacon import Part


async def discover(timeout: float = DISCOVERY_VERDICT_S, *, port: int = 0) -> AsyncIterator[Event]:
    """Announce this device anonymously for ``timeout`` seconds and give what is heard of others, as it happens.

    Devices that hold a secret (paired ones, and those in flow ``pre``) keep to themselves: of all of them together
    one SealedHeard tells that there are any. ``port`` as in ``Settings``. Raises LocalError where no port can be
    opened.
    """
    queue: asyncio.Queue[Event | None] = asyncio.Queue()
    async with _exploring(queue.put_nowait, port) as agent:
        agent.resume_announcing()
        queue.put_nowait(agent.ready())
        asyncio.get_running_loop().call_later(timeout, queue.put_nowait, None)
        while (event := await queue.get()) is not None:
            yield event


async def acquire_addresses(
    *,
    everything: bool = True,
    peer_wait: float = 0.0,
    port: int = 0,
    on_attempt: Callable[[AddressAttempt], None] | None = None,
) -> AddressReport:
    """Find this device's own addresses in the three stages, over a listener opened for it.

    ``everything`` runs stages 1 and 2 in any case; otherwise each falls through to the next only where it failed.
    ``peer_wait`` is how many seconds stage 3 waits for a peer (0: stage 3 is left out).
    """
    seen: asyncio.Queue[OwnAddressSeen] = asyncio.Queue()

    def note(event: Event) -> None:
        if isinstance(event, OwnAddressSeen):
            seen.put_nowait(event)

    async def seen_by_peer() -> list[OwnAddressSeen]:
        return [await seen.get()]

    async with _exploring(note, port) as agent:
        if peer_wait:
            agent.resume_announcing()
        return await agent.acquire(
            on_attempt or (lambda _: None),
            everything=everything,
            seen_by_peer=seen_by_peer if peer_wait else None,
            peer_wait=peer_wait,
        )


@asynccontextmanager
async def _exploring(on_event: Callable[[Event], None], port: int) -> AsyncIterator[Agent]:
    """An agent without a secret: it hears, answers confirmations, and pairs with nobody."""
    TRACE.follow_environment()
    wanted = Wanted(Role.JOINER, Part.DISCOVER, DeviceIdentity.generate(), port=port, silent=True, looks=True)
    agent = Agent(
        wanted, Keyring(), on_event=lambda event: None if isinstance(event, Attempt) else on_event(event)
    )
    async with serving(agent):
        yield agent


@asynccontextmanager
async def serving(agent: Agent) -> AsyncIterator[None]:
    """Keeps ``agent`` running: within, it has started. Raises LocalError where it could not."""
    running = asyncio.create_task(agent.run())
    try:
        starting = asyncio.create_task(agent.wait_started())
        await asyncio.wait({running, starting}, return_when=asyncio.FIRST_COMPLETED)
        starting.cancel()
        if running.done():
            await running
        yield
    finally:
        running.cancel()
        await asyncio.wait({running})
