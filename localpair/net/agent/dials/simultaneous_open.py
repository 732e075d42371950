"""Several dials at one moment, each between a fresh pair of ports, so that one of them meets its counterpart.

Where a dial was refused, its port listens for a while: some refusals leave our firewall open for the peer's own dial.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Sequence
from contextlib import suppress

from localpair.address import IPAddress
from localpair.candidate import Candidate
from localpair.endpoint import plain_address
from localpair.limits import SIMULTANEOUS_OPEN_S, SIMULTANEOUS_SECOND_S
from localpair.net.transport.tcp import accept, new_dial, ready, target_of

_NARROW_RECORD = bytes([7, 8, 4, 0, 0, 0, 0, 0])
"""The option "record route" with room for five octets: the sender fills in four, and no second address fits."""


class SimultaneousOpen:
    """Bound to its ports from the start, so that firing is nothing but dialling. ``ports`` are our own, at our address
    ``local`` where one is given.

    The side that ``leads`` chooses among what has opened, by speaking on it first.
    """

    def __init__(
        self, candidate: Candidate, count: int, *, leads: bool, local: IPAddress | None = None
    ) -> None:
        self.candidate, self._leads, self._local = candidate, leads, local
        self._dials: list[socket.socket] = []
        self._targets: list[int] = []
        self._veiled = False
        self.error = 0
        try:
            for _ in range(count):
                self._dials.append(self._new(0))
        except OSError:
            self.close()
            raise
        self.ports = tuple(one.getsockname()[1] for one in self._dials)

    def _new(self, port: int) -> socket.socket:
        return new_dial(self.candidate.address, self.candidate.bind_to, port, self._local)

    def fire(self, ports: Sequence[int], *, veiled: bool = False) -> None:
        """Dial the peer's ``ports``. One side goes through them forwards and the other backwards: whatever the two
        are apart in time, some pair of dials is not.
        """
        self._targets, self._veiled = list(ports[: len(self._dials)]), veiled
        places = range(len(self._targets))
        for place in places if self._leads else reversed(places):
            one = self._dials[place]
            veil = veiled and self._veil(one)
            with suppress(OSError):  # told again by SO_ERROR, or by the next try
                one.connect(self._target(place))
            if veil:
                one.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"")

    def _veil(self, one: socket.socket) -> bool:
        """Have the next packet ask for a record of its route and leave too little room for it: whoever receives it has
        to discard it (RFC 791, 3.1), and may complain by ICMP, but our own firewall has seen it leave. No privilege is
        needed, as it is for a source route; IPv6 has nothing of the kind.
        """
        if one.family != socket.AF_INET:
            return False
        try:
            one.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, _NARROW_RECORD)
        except OSError:
            return False
        return True

    async def opened(self) -> socket.socket | None:
        """The one connection that both sides use, None where there is none within VOLLEY_S. All others are closed."""
        tries = [asyncio.create_task(self._follow(place)) for place in range(len(self._targets))]
        chosen: socket.socket | None = None
        try:
            async with asyncio.timeout(SIMULTANEOUS_OPEN_S):
                for done in asyncio.as_completed(tries):
                    chosen = await done
                    if chosen is not None:
                        return chosen
        except TimeoutError:
            pass
        finally:
            for one in tries:
                one.cancel()
            await asyncio.gather(*tries, return_exceptions=True)
            self.close(chosen)
        return None

    def close(self, kept: socket.socket | None = None) -> None:
        """Close every socket but ``kept``."""
        for one in self._dials:
            if one is not kept:
                one.close()
        self._dials = []

    async def _follow(self, place: int) -> socket.socket | None:
        """What becomes of one dial: opened, or refused and then opened the other way round. A veiled one that was
        complained of has done its work; the peer's call is still to come.
        """
        try:
            return await self._usable(self._dials[place])
        except OSError as error:
            self.error = self.error or error.errno or 0
        try:
            return await self._second(place)
        except OSError:
            return None

    async def _second(self, place: int) -> socket.socket:
        again_soon = self._leads and not self._veiled
        accepted = await self._listen(place, SIMULTANEOUS_SECOND_S if again_soon else SIMULTANEOUS_OPEN_S)
        if accepted is not None:
            return await self._usable(accepted)
        again = self._new(self.ports[place])
        self._dials.append(again)
        with suppress(BlockingIOError):
            again.connect(self._target(place))
        return await self._usable(again)

    async def _listen(self, place: int, limit: float) -> socket.socket | None:
        """A call of the peer to the port that we have dialled from, if it comes in time."""
        self._dials[place].close()
        listening = self._new(self.ports[place])
        try:
            listening.listen(1)
            async with asyncio.timeout(limit):
                while True:
                    one, host = await accept(listening)
                    self._dials.append(one)
                    if plain_address(host) == self.candidate.address:
                        return one
                    one.close()
        except TimeoutError:
            return None
        finally:
            listening.close()

    async def _usable(self, one: socket.socket) -> socket.socket:
        """``one`` once it is open and, at the side that follows, once the other one has spoken on it."""
        await ready(one, writing=True)
        code = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, "refused")
        one.getpeername()  # raises ENOTCONN for one that never left
        if not self._leads:
            await ready(one, writing=False)
            if not one.recv(1, socket.MSG_PEEK):
                raise ConnectionResetError(errno.ECONNRESET, "the other side has chosen another one")
        return one

    def _target(self, place: int) -> tuple[str, int] | tuple[str, int, int, int]:
        return target_of(self.candidate.address, self._targets[place], self.candidate.scope)
