"""A peer connection: encrypted, and on its way to a session."""

from __future__ import annotations

from collections import deque
from dataclasses import field
from typing import Final

from localpair.candidate import Candidate
from localpair.dataclass import dataclass
from localpair.errors import LocalpairError, PeerEndedError, Refusal, RefusedError
from localpair.events import Attempt, Direction, Path, Phase
from localpair.keys import Role
from localpair.net.transport.stream import FrameStream
from localpair.protocol.handshake import Handshake, HandshakeEvent, Refused, Verified
from localpair.protocol.keyring import StrangerError
from localpair.trace import TRACE

PEER_ENDED: Final = "the other device ended"


@dataclass(eq=False, slots=True)
class PeerConnection:
    """A connection and its handshake. ``candidate`` is the peer's address, dialled or seen.

    ``pinned`` is True where the TLS server's key is the one the offer promised, so that its word counts although it
    does not know the secret any more. ``abandoned`` is True where this side has ended it for a newer one of the same
    device.
    """

    stream: FrameStream
    handshake: Handshake
    candidate: Candidate
    direction: Direction
    pinned: bool = False
    since: float = 0.0
    verified: Verified | None = None
    abandoned: bool = False
    _events: deque[HandshakeEvent] = field(default_factory=deque)

    async def next_event(self) -> HandshakeEvent:
        """Drive the handshake to its next event.

        Raises RefusedError where the peer, which has shown that it may, refused or where it failed a check,
        PeerEndedError where it has shown that it may and says that its run ends,
        StrangerError where it holds no secret of ours, whatever it says, WireError for a broken protocol, and
        ConnectionError where the connection ended.
        """
        self.flush()
        while not self._events:
            frame = await self.stream.read()
            self._take(frame.type, frame.body)
        event = self._events.popleft()
        if isinstance(event, Refused):
            if not (event.proven or self.pinned):
                raise StrangerError(f"a device answered that does not know this {self.handshake.purpose}")
            if event.reason is Refusal.ENDED:
                raise PeerEndedError(PEER_ENDED)
            raise ConnectionDeclinedError(event.reason)
        if isinstance(event, Verified):
            self.verified = event
        return event

    def put_back(self, event: HandshakeEvent) -> None:
        """Give an event to the next caller of ``next_event`` once more."""
        self._events.appendleft(event)

    def flush(self) -> None:
        """Send what the handshake has to say, and collect its events."""
        outgoing, events = self.handshake.take_outgoing(), self.handshake.take_events()
        if TRACE.on and (outgoing or events):
            TRACE.phase(self.candidate, self.direction, self.handshake, events)
        for kind, body in outgoing:
            self.stream.write(kind, body)
        self._events.extend(events)

    async def refuse(self, reason: Refusal | None) -> None:
        """Tell the peer why this connection ends (None: another one won), and end it."""
        self.handshake.refuse(reason)
        self.flush()
        await self.stream.close()

    def abandon(self) -> None:
        """End it: a newer connection of the same device takes its place."""
        self.abandoned = True
        self.stream.abort()

    def supersedes(self, since: float) -> bool:
        """Whether the peer has made this connection in place of one that began at ``since`` and that it has lost."""
        return self.verified is not None and self.verified.peer_resumes and self.since > since

    def nominated(self, now: float) -> Attempt:
        """The attempt that this connection was, now that it is to be the session."""
        ms = (now - self.since) * 1000
        return Attempt(self.candidate, self.direction, Phase.NOMINATION, "ok", ms)

    def path(self) -> Path:
        """The way this connection runs, with the carrier that made whoever dialled know the address; the joiner, where
        both did.
        """
        both = self.direction is Direction.SIMULTANEOUS
        dialled = self.direction is Direction.OUT or (both and self.handshake.role is Role.JOINER)
        via = self.candidate.via if dialled else ""
        if not via and self.verified is not None:
            via = self.verified.via
        local, remote = (_join(*end) for end in (self.stream.local, self.stream.remote))
        return Path(local, remote, self.direction, via or self.candidate.via or "tcp")

    @property
    def peer_gives(self) -> bool:
        """Whether the peer is there to send."""
        return self.verified is not None and self.verified.peer_gives

    @property
    def peer_takes(self) -> bool:
        """Whether the peer is there to receive."""
        return self.verified is not None and self.verified.peer_takes

    def _take(self, kind: int, body: bytes) -> None:
        try:
            self.handshake.receive(kind, body)
        except (RefusedError, StrangerError) as error:
            self.handshake.refuse(error.reason if isinstance(error, RefusedError) else Refusal.WRONG_SECRET)
            self.flush()
            raise
        except LocalpairError:
            self.stream.abort()
            raise
        self.flush()


class ConnectionDeclinedError(RefusedError):
    """The peer refused this connection, and has shown that it may. ``lost`` is True where it merely chose another
    one.
    """

    def __init__(self, reason: Refusal | None) -> None:
        text = f"the other device refused: {_EXPLAINED.get(reason, reason)}" if reason else "another path won"
        super().__init__(reason or Refusal.CANCELLED, text, hint=_HINTS.get(reason) if reason else None)
        self.lost = reason is None


_EXPLAINED = {
    Refusal.WRONG_SECRET: "it does not know this offer (it may have been replaced by a new one)",
    Refusal.EXPIRED: "the offer has expired or was replaced",
    Refusal.NOT_APPROVED: "the pairing was not approved there",
    Refusal.ALREADY_CLAIMED: "another device has claimed the offer",
    Refusal.OTHER_DEVICE: "the offer was made for another device",
    Refusal.REVOKED: "this pair has been revoked there",
    Refusal.UNKNOWN_DEVICE: "it has forgotten this device",
    Refusal.CANCELLED: "it was cancelled there",
    Refusal.BUSY: "it is busy with another session",
}
_HINTS = {
    Refusal.WRONG_SECRET: "read the offer that is shown there now",
    Refusal.EXPIRED: "read the offer that is shown there now",
    Refusal.ALREADY_CLAIMED: "if that was not you, cancel there: somebody else has read the offer",
    Refusal.REVOKED: "pair the two devices again",
    Refusal.UNKNOWN_DEVICE: "pair the two devices again",
}


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
