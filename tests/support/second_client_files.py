"""The second client's frames, and what a session carries in them: written from docs/payload.md alone.

Imports nothing of localpair, on purpose: see second_client.py.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import ssl
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

ATTACH, PING, BYE, NOTE, NOTE_ACK = 32, 33, 34, 35, 36
START, ACCEPT, BEGIN, DATA, END, ABANDON, TOTAL, FINISH = range(40, 48)
CANCEL, SETTLED, STOP, CLOSED, ASK, HAVE = range(48, 54)
FILE, FOLDER, UNREADABLE = range(3)
EARLY_FRAME, FRAME, CHUNK = 4 << 10, (1 << 20) + 64, 512 << 10
BATCH = 1
WINDOW = 1024  # entries that are begun and not settled
NAMES = 8  # of a batch, told before it is taken
NO_CHECKSUM = bytes(32)
PART = ".second-client-part-"
PATH_MARK = 12


class ProtocolError(Exception):
    """The peer does what the pages do not allow."""


class Channel:
    """Frames over one TLS connection."""

    def __init__(self, tls: ssl.SSLSocket) -> None:
        self.tls = tls
        self.limit = EARLY_FRAME

    def send(self, kind: int, body: bytes = b"") -> None:
        self.tls.sendall(struct.pack(">IB", len(body) + 1, kind) + body)

    def receive(self) -> tuple[int, bytes]:
        length, kind = struct.unpack(">IB", self._exactly(5))
        if not 1 <= length <= self.limit:
            raise ProtocolError(f"a frame of {length} bytes")
        return kind, self._exactly(length - 1)

    def _exactly(self, count: int) -> bytes:
        got = bytearray()
        while len(got) < count:
            more = self.tls.recv(count - len(got))
            if not more:
                raise ConnectionError("the peer closed the connection")
            got += more
        return bytes(got)


class Reader:
    """The fields of a body, one after the other; what follows the known ones is ignored."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.at = 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.body):
            raise ProtocolError("a body ends too early")
        self.at += count
        return self.body[self.at - count : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def text(self, size: int) -> str:
        return self.take(self.number(size)).decode()


def text(value: str, size: int) -> bytes:
    """UTF-8 after a length of ``size`` bytes."""
    raw = value.encode()
    return len(raw).to_bytes(size, "big") + raw


def key_of(names: tuple[str, ...], size: int, mtime: int) -> bytes:
    """What a part is found by: the path, the size and the time of change."""
    path = hashlib.sha256(b"".join(text(name, 2) for name in names)).digest()[:PATH_MARK]
    return path + struct.pack(">QQ", size, mtime)


@dataclass(frozen=True)
class Entry:
    """A file or folder to send, under its names from the outermost folder on."""

    path: Path
    names: tuple[str, ...]

    def key(self) -> bytes:
        status = self.path.stat()
        return key_of(self.names, status.st_size, status.st_mtime_ns)

    def begin(self, number: int, offset: int = 0) -> bytes:
        status = self.path.stat()
        kind, size = (FOLDER, 0) if self.path.is_dir() else (FILE, status.st_size)
        names = b"".join(text(name, 2) for name in self.names)
        head = struct.pack(">QBB", number, kind, len(self.names))
        return head + names + struct.pack(">QQQ", size, status.st_mtime_ns, offset) + text("", 1)


def walk(path: Path, above: tuple[str, ...] = ()) -> Iterator[Entry]:
    """A folder, then everything in it, then what stands beside it."""
    names = (*above, path.name)
    yield Entry(path, names)
    if path.is_dir():
        for child in sorted(path.iterdir()):
            yield from walk(child, names)


@dataclass
class Incoming:
    """A file that is being received."""

    number: int
    target: Path
    part: Path
    stream: BinaryIO
    checksum: hashlib._Hash = field(default_factory=hashlib.sha256)

    def write(self, data: bytes) -> None:
        self.stream.write(data)
        self.checksum.update(data)

    def place(self) -> None:
        """Give the file its own name, durably and without replacing another one."""
        self.stream.flush()
        os.fsync(self.stream.fileno())
        self.stream.close()
        os.link(self.part, self.target)
        self.part.unlink()

    def drop(self) -> None:
        self.stream.close()
        self.part.unlink()


class Receiver:
    """Stores what the peer sends in ``folder`` and settles it."""

    def __init__(self, channel: Channel, folder: Path) -> None:
        self.channel = channel
        self.folder = folder
        self.expected = 0
        self.file: Incoming | None = None
        self.had: tuple[bytes, int] | None = None  # told about a part: whose, and how long it is
        self.closed = False

    def handle(self, kind: int, body: bytes) -> None:
        match kind:
            case 40:  # START
                self._accept(body[:4])
            case 52:  # ASK
                self._have(Reader(body))
            case 42:  # BEGIN
                self._begin(Reader(body))
            case 43:  # DATA
                self._file().write(body)
            case 44:  # END
                self._end(Reader(body))
            case 45:  # ABANDON
                self._abandon(Reader(body))
            case 47:  # FINISH
                self.channel.send(CLOSED, body[:4])
                self.closed = True
            case 46:  # TOTAL
                self._total(Reader(body))
            case _:
                raise ProtocolError(f"frame {kind} is not for a receiver")

    def _accept(self, batch: bytes) -> None:
        """Tell which parts an earlier run has left: this client has one peer, and one folder for it."""
        parts = sorted(self.folder.glob(f"{PART}*"))
        kept = [bytes.fromhex(part.name.removeprefix(PART)) + _u64(part.stat().st_size) for part in parts]
        self.channel.send(ACCEPT, batch + struct.pack(">H", len(kept)) + b"".join(kept) + b"\0")

    def _part(self, key: bytes) -> Path:
        return self.folder / f"{PART}{key.hex()}"

    def _have(self, body: Reader) -> None:
        key = body.take(PATH_MARK + 16)
        data = self._part(key).read_bytes() if self._part(key).exists() else b""
        self.had = (key, len(data))
        told = struct.pack(">I", BATCH) + key + _u64(len(data)) + hashlib.sha256(data).digest()
        self.channel.send(HAVE, told)

    def _total(self, body: Reader) -> None:
        """What the sender has counted: this client asks nobody, and takes what fits the page."""
        _, _, roots = body.number(8), body.number(8), body.number(4)
        names = [body.text(2) for _ in range(body.number(1))]
        if len(names) > roots:
            raise ProtocolError("more names than there are")

    def _begin(self, body: Reader) -> None:
        number, kind = body.number(8), body.number(1)
        names = [body.text(2) for _ in range(body.number(1))]
        size, mtime, offset = body.number(8), body.number(8), body.number(8)
        key = key_of(tuple(names), size, mtime)
        if self.file or number != self.expected or not names or (offset and self.had != (key, offset)):
            raise ProtocolError("an entry out of turn")
        self.expected += 1
        target = self._inside(names)
        if kind == UNREADABLE:
            self._settle(number, NO_CHECKSUM, body.text(1))
        elif kind == FOLDER:
            target.mkdir()
            self._settle(number, NO_CHECKSUM)
        else:
            part = self._part(key)
            self.file = Incoming(number, target, part, part.open("ab" if offset else "wb"))
            if offset:
                self.file.checksum.update(part.read_bytes())

    def _inside(self, names: list[str]) -> Path:
        """Where an entry lands. This client knows no way to escape a name: it takes harmless ones only."""
        if any(name in ("", ".", "..") or not set(name).isdisjoint("/\\:\0") for name in names):
            raise ProtocolError("a name that leads elsewhere")
        return self.folder.joinpath(*names)

    def _file(self) -> Incoming:
        if self.file is None:
            raise ProtocolError("no file is under way")
        return self.file

    def _end(self, body: Reader) -> None:
        done, self.file = self._file(), None
        number, checksum = body.number(8), body.take(32)
        if number != done.number or checksum != done.checksum.digest():
            done.drop()
            raise ProtocolError("not the bytes that were promised")
        done.place()
        self._settle(number, checksum)

    def _abandon(self, body: Reader) -> None:
        done, self.file = self._file(), None
        done.drop()
        self._settle(body.number(8), NO_CHECKSUM, body.text(1))

    def _settle(self, number: int, checksum: bytes, reason: str = "") -> None:
        result = struct.pack(">IHQB", BATCH, 1, number, 0) + checksum + text(reason, 1)
        self.channel.send(SETTLED, result)


class Sender:
    """Sends files and folders in one batch."""

    def __init__(self, channel: Channel, paths: list[Path]) -> None:
        self.channel = channel
        self.roots = [path.name for path in paths]
        self.entries = [entry for path in paths for entry in walk(path)]
        self.sent = 0
        self.kept: dict[bytes, int] = {}  # what the receiver has of files: how long its parts are
        self.asked: bytes | None = None
        self.resumed = 0  # bytes that were not sent again
        self.left = 0  # entries under whose names the receiver keeps something else
        self.unsettled: dict[int, bytes] = {}  # checksums of entries, in order
        self.closed = not paths

    def start(self) -> None:
        if self.entries:
            self.channel.send(START, struct.pack(">I", BATCH) + self._roots())
            self._count()

    def handle(self, kind: int, body: bytes) -> None:
        match kind:
            case 41:  # ACCEPT
                self._accepted(Reader(body))
                self._go_on()
            case 53:  # HAVE
                self._told(Reader(body))
                self._go_on()
            case 49:  # SETTLED
                self._settled(Reader(body))
                self._go_on()
            case 50:  # STOP
                self.channel.send(CANCEL, struct.pack(">I", BATCH) + text("stopped by the receiver", 1))
                raise ProtocolError("the receiver wants no more")
            case 51:  # CLOSED
                self.closed = True
            case _:
                raise ProtocolError(f"frame {kind} is not for a sender")

    def _count(self) -> None:
        files = [entry.path.stat().st_size for entry in self.entries if entry.path.is_file()]
        self.channel.send(TOTAL, struct.pack(">QQ", len(files), sum(files)) + self._roots())

    def _roots(self) -> bytes:
        first = self.roots[:NAMES]
        return struct.pack(">IB", len(self.roots), len(first)) + b"".join(text(name, 2) for name in first)

    def _go_on(self) -> None:
        """Send what the window has room for; finish once everything is settled."""
        while self.sent < len(self.entries) and self.sent - min(self.unsettled, default=self.sent) < WINDOW:
            key = self.entries[self.sent].key()
            if key in self.kept:
                self.asked = key
                self.channel.send(ASK, key)
            if self.asked is not None:
                return  # until it has been answered
            self._send(0)
        if not self.unsettled:
            self.channel.send(FINISH, struct.pack(">I", BATCH))

    def _accepted(self, body: Reader) -> None:
        body.take(4)
        for _ in range(body.number(2)):
            key = body.take(PATH_MARK + 16)
            self.kept[key] = body.number(8)

    def _told(self, body: Reader) -> None:
        body.take(4)
        key, offset, checksum = body.take(PATH_MARK + 16), body.number(8), body.take(32)
        if key != self.asked:
            raise ProtocolError("an answer to no question")
        self.asked = None
        del self.kept[key]
        with self.entries[self.sent].path.open("rb") as stream:
            is_same = hashlib.sha256(stream.read(offset)).digest() == checksum
        self.resumed += offset if is_same else 0
        self._send(offset if is_same else 0)

    def _send(self, offset: int) -> None:
        number, entry = self.sent, self.entries[self.sent]
        self.sent += 1
        self.channel.send(BEGIN, entry.begin(number, offset))
        is_file = entry.path.is_file()
        self.unsettled[number] = self._content(number, entry.path, offset) if is_file else NO_CHECKSUM

    def _content(self, number: int, path: Path, offset: int) -> bytes:
        checksum = hashlib.sha256()
        with path.open("rb") as stream:
            checksum.update(stream.read(offset))
            while data := stream.read(CHUNK):
                checksum.update(data)
                self.channel.send(DATA, data)
        self.channel.send(END, struct.pack(">Q", number) + checksum.digest())
        return checksum.digest()

    def _settled(self, body: Reader) -> None:
        body.take(4)
        for _ in range(body.number(2)):
            number, left, checksum, reason = body.number(8), body.number(1), body.take(32), body.text(1)
            expected = self.unsettled.pop(number, None)
            if left:
                self.left += 1
            elif reason or checksum != expected:
                raise ProtocolError(f"entry {number} did not arrive: {reason}")


def _u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


def attach() -> bytes:
    """The body of a session's first frame: nothing has happened yet."""
    token = secrets.token_bytes(16)
    nothing_sent, nothing_received = struct.pack(">IB", 0, 0), struct.pack(">IB", 0, 0)
    return (
        b"\x10" + token + b"\0" + bytes(8) + nothing_sent + nothing_received + text("", 1) + bytes(8 + 1 + 2)
    )


def transfer(channel: Channel, paths: list[Path], folder: Path | None, *, peer_gives: bool) -> int:
    """One session: send ``paths``, receive in ``folder`` what the peer gives, and say goodbye. Bytes not sent again."""
    channel.limit = FRAME
    channel.send(ATTACH, attach())
    if channel.receive()[0] != ATTACH:
        raise ProtocolError("the first frame is no ATTACH")
    sender = Sender(channel, paths)
    receiver = Receiver(channel, folder or Path())
    receiver.closed = folder is None or not peer_gives
    sender.start()
    while not (sender.closed and receiver.closed):
        kind, body = channel.receive()
        if kind == BYE:
            raise ProtocolError("goodbye too early")
        if kind in (ACCEPT, SETTLED, STOP, CLOSED, HAVE):
            sender.handle(kind, body)
        elif kind not in (PING, NOTE_ACK):
            receiver.handle(kind, body)
    farewell(channel)
    return sender.resumed


def farewell(channel: Channel) -> None:
    """Say goodbye and wait for the peer's: who closes with words unread may destroy his own last ones."""
    channel.send(BYE)
    while True:
        try:
            if channel.receive()[0] == BYE:
                return
        except ConnectionError:  # it said so by closing
            return
