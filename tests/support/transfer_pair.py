"""A sender and a receiver, back to back, without a socket or a disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from localpair.choices.terms import USUAL
from localpair.protocol.transfer.receiver import (
    BatchCancelled,
    BatchFinished,
    EntryFailed,
    FileBegun,
    FileDropped,
    FileEnded,
    FolderBegun,
    Receiver,
)
from localpair.protocol.transfer.sender import BatchDone, EntrySettled, Sender, StoppedByReceiver
from localpair.wire.framing import Frame
from localpair.wire.payload import (
    Abandon,
    Accept,
    Attach,
    Begin,
    Cancel,
    Closed,
    End,
    Finish,
    Kind,
    Partial,
    Payload,
    Result,
    SendPhase,
    Settled,
    Start,
    StopBatch,
    Total,
    decode_payload,
)

CHUNK = 4


FOLDER = None


Tree = dict[tuple[str, ...], bytes | None]


TREE: Tree = {
    ("d",): FOLDER,
    ("d", "empty"): b"",
    ("d", "ten"): b"0123456789",
    ("d", "more"): b"abcdefghijklm",
}


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


@dataclass
class Giver:
    """Drives a Sender over a tree held in memory, one message or chunk for each call of ``step``."""

    tree: Tree
    machine: Sender = field(default_factory=Sender)
    settled: dict[int, Result] = field(default_factory=dict)
    stopped: str | None = None
    done: bool = False
    chunks_sent: int = 0
    _at: int = 0
    _left: bytes | None = None

    def __post_init__(self) -> None:
        self.entries = list(self.tree.items())
        self.partial: Partial | None = None

    def attach(self, peer: Attach) -> None:
        self.partial = self.machine.attach(peer)
        self._at, self._left = self.machine.next_id, None
        self.note()

    def step(self) -> list[Payload | bytes]:
        """What goes out next."""
        found: list[Payload | bytes] = []
        if self.machine.phase is SendPhase.OPEN:
            found += self._advance()
        messages, self.machine.outbox = self.machine.outbox, []
        return [*messages, *found]

    def _advance(self) -> list[Payload | bytes]:
        if self._left:
            chunk, self._left = self._left[:CHUNK], self._left[CHUNK:]
            self.machine.data(len(chunk))
            self.chunks_sent += 1
            return [chunk]
        if self._left is not None:
            self.machine.end(digest(self.entries[self._at - 1][1] or b""))
            self._left = None
        elif self._at < len(self.entries) and self.machine.room:
            self._begin(*self.entries[self._at])
        elif self._at == len(self.entries) and self.machine.settled:
            self.machine.finish()
        return []

    def _begin(self, parts: tuple[str, ...], data: bytes | None) -> None:
        partial, self.partial = self.partial, None
        self._at += 1
        if data is None:
            self.machine.begin(Kind.FOLDER, parts)
            return
        offset = 0
        if partial is not None and digest(data[: partial.offset]) == partial.sha256:
            offset = partial.offset
        self.machine.begin(Kind.FILE, parts, len(data), 5, offset=offset)
        self._left = data[offset:]

    def receive(self, message: Payload) -> None:
        assert isinstance(message, Accept | Settled | StopBatch | Closed)
        self.machine.receive(message)
        self.note()

    def note(self) -> None:
        events, self.machine.events = self.machine.events, []
        for event in events:
            if isinstance(event, EntrySettled):
                self.settled[event.result.id] = event.result
            elif isinstance(event, StoppedByReceiver):
                self.stopped = event.reason
            elif isinstance(event, BatchDone):
                self.done = True


@dataclass
class Taker:
    """Drives a Receiver that stores in memory."""

    machine: Receiver = field(default_factory=Receiver)
    stored: Tree = field(default_factory=dict)
    failed: list[EntryFailed] = field(default_factory=list)
    finished: bool = False
    cancelled: str | None = None
    open: FileBegun | None = None
    data: bytes = b""

    def receive(self, item: Payload | bytes) -> None:
        if isinstance(item, bytes):
            if self.machine.data(len(item)):
                self.data += item
        else:
            assert isinstance(item, Start | Begin | End | Abandon | Total | Finish | Cancel)
            self.machine.receive(item)
        self.note()

    def note(self) -> None:
        while self.machine.events:
            events, self.machine.events = self.machine.events, []
            for event in events:
                self._handle(event)

    def _handle(self, event: object) -> None:
        match event:
            case FolderBegun(number, parts):
                self.stored[parts] = FOLDER
                self.machine.settle([Result(number)])
            case FileBegun(number, _, _, _, offset):
                if not offset:
                    self.data = b""
                self.open = event
                assert len(self.data) == offset
            case FileEnded(number, sha256):
                assert self.open is not None
                assert self.open.id == number
                if digest(self.data) == sha256:
                    self.stored[self.open.parts] = self.data
                    self.machine.settle([Result(number, sha256)])
                else:
                    self.machine.fail(number, "other bytes")
                self.open = None
            case FileDropped(number):
                self.open = None
            case EntryFailed():
                self.failed.append(event)
            case BatchFinished():
                self.finished = True
            case BatchCancelled(reason):
                self.cancelled = reason
            case _:
                pass

    def detach(self) -> None:
        number = self.machine.detach()
        if number is not None:
            assert self.open is not None
            assert self.open.id == number
            self.machine.keep(Partial(number, len(self.data), digest(self.data)))

    def step(self) -> list[Payload]:
        messages, self.machine.outbox = self.machine.outbox, []
        return messages


OWN, PEER = b"o" * 16, b"p" * 16


@dataclass
class Pair:
    """One giver and one taker; ``break_after`` frames to the taker and ``back_after`` to the giver, it all breaks."""

    giver: Giver
    taker: Taker
    forth: list[Payload | bytes] = field(default_factory=list)
    back: list[Payload] = field(default_factory=list)
    delivered: int = 0
    delivered_back: int = 0
    connections: int = 0

    def connect(self) -> None:
        """A new connection: both tell their state, then go on."""
        self.connections += 1
        self.forth.clear()
        self.back.clear()
        # The giver's own receiving half and the taker's sending half are idle.
        batch, phase = self.giver.machine.batch, self.giver.machine.phase
        from_giver = encoded(Receiver().state(OWN, PEER, 0, batch, phase))
        from_taker = encoded(self.taker.machine.state(PEER, OWN, 0, 0, SendPhase.IDLE))
        assert isinstance(from_giver, Attach)
        assert isinstance(from_taker, Attach)
        self.taker.machine.attach(from_giver)
        self.taker.note()
        self.giver.attach(from_taker)

    def break_now(self) -> None:
        self.giver.machine.detach()
        self.taker.detach()
        self.connect()

    def turn(self, *, forth: int | None = None, back: int | None = None) -> bool:
        """Move what there is to move; True once ``forth`` or ``back`` frames have been delivered in all."""
        self.forth += [encoded(item) for item in self.giver.step()]
        self.back += [encoded(item) for item in self.taker.step()]
        if self.forth:
            self.taker.receive(self.forth.pop(0))
            self.delivered += 1
            if self.delivered == forth:
                return True
        if self.back:
            self.giver.receive(self.back.pop(0))
            self.delivered_back += 1
            if self.delivered_back == back:
                return True
        return False

    def run(self, limit: int = 2000) -> None:
        """Until both know the end."""
        for _ in range(limit):
            if self.giver.done and self.taker.finished:
                return
            self.turn()
        raise AssertionError("it never ends")


def encoded(item: Payload | bytes) -> Payload | bytes:
    """What arrives: through the wire form and back."""
    return item if isinstance(item, bytes) else decode_payload(Frame(item.TYPE, item.encode()))


def new_pair(tree: Tree | None = None, *, wanted: bool = True) -> Pair:
    pair = Pair(Giver(TREE if tree is None else tree), Taker())
    pair.connect()
    pair.giver.machine.offer()
    if wanted:
        pair.taker.machine.want(USUAL)
    return pair


def open_receiver() -> Receiver:
    receiver = Receiver()
    receiver.want(USUAL)
    receiver.receive(Start(1))
    receiver.events.clear()
    receiver.outbox.clear()
    return receiver


def begun(size: int) -> Receiver:
    receiver = open_receiver()
    receiver.receive(Begin(0, Kind.FILE, ("f",), size))
    receiver.events.clear()
    return receiver
