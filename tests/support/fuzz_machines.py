"""What stands behind the parsers as subjects of fuzzing: machines, names, files that are read, the kernel's answers.

A machine is stateful: it gets a conversation, or a word in the middle of one.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from fuzz_wire import BEACONS, HERE, PEERS_SECRET, SECRET, sealed, text_of
from fuzzing import Subject, Unstable, stable
from localpair.candidate import Candidate
from localpair.choices.terms import USUAL
from localpair.errors import OfferError, RefusedError, WireError
from localpair.keys import DeviceIdentity, Role
from localpair.limits import BEACON_BYTES, FRAME_BYTES, LABEL_BYTES, NAME_BYTES, SHOWN_PATH_BYTES, TRUST_BYTES
from localpair.names.labels import clean_label
from localpair.names.visible import escaped
from localpair.net.host.linux import netlink
from localpair.net.host.linux import rtnetlink as rt
from localpair.net.host.linux.policy_rules import parse_rule
from localpair.protocol.discovery import Discovery, Self
from localpair.protocol.discovery_events import BeaconSource, Carrier
from localpair.protocol.handshake import (
    ApprovalNeeded,
    CommitNeeded,
    Handshake,
    LocalSide,
    RecordPaired,
    RecordUnconfirmed,
    Verified,
)
from localpair.protocol.keyring import OFFER, Keyring
from localpair.protocol.messages import MessageQueue
from localpair.protocol.rendezvous import Fire, Meeting
from localpair.protocol.transfer import filenames
from localpair.protocol.transfer.receiver import FileChecked, FileEnded, FolderBegun, PartAsked, Receiver
from localpair.protocol.transfer.sender import Sender
from localpair.qr import read_image, write_image
from localpair.transfer.folder.housekeeping import kept_parts
from localpair.transfer.folder.kept import kept_name, sender_mark
from localpair.transfer.folder.placing import Spot, read_note
from localpair.trust.file import Document, StoredRecord, dump, parse
from localpair.wire.beacon import BeaconKind, Part, Rendezvous, RendezvousStep
from localpair.wire.filekey import FileKey, Kept
from localpair.wire.framing import Frame, FrameDecoder, Slice, encode_frame, frame_header
from localpair.wire.offer import Offer
from localpair.wire.payload import (
    DATA,
    Abandon,
    Accept,
    Ask,
    Attach,
    Begin,
    Cancel,
    Closed,
    End,
    Finish,
    Have,
    Kind,
    Note,
    NoteAck,
    Payload,
    ReceivePhase,
    Result,
    SendPhase,
    Settled,
    Start,
    StopBatch,
    Total,
    decode_payload,
)
from trust_records import record

_SLOW: Final = 0.1  # of the asked inputs: these cost some 500 us each ...
_VERY_SLOW: Final = 0.01  # ... and these several milliseconds
_CERTIFICATE: Final = bytes(32)
_MOST_PARTS: Final = 255  # of a path: a message holds no more
_DATAGRAM: Final = 281  # a mark, and the body of a beacon


# --- discovery


def take_datagrams(data: bytes) -> None:
    """Datagrams at a machine, each of 281 bytes: sealed by a holder of the secret where the first one is even, else as
    they are.
    """
    me = Self(Part.HOST, b"\xff" * 16, bytes(32), 46821, 46821)
    machine, now = Discovery(me, Keyring([(OFFER, SECRET)]), 0.0), 0.0
    for at in range(0, len(data), _DATAGRAM):
        mark, said = data[at], data[at + 1 : at + _DATAGRAM].ljust(_DATAGRAM - 1, b"\0")
        now += mark / 50
        source = BeaconSource(ip_address(f"192.168.1.{mark}"), 46821, 2)
        carrier = list(Carrier)[mark // 2 % len(Carrier)]
        machine.receive(said if mark % 2 else sealed(said), source, carrier, now)
        machine.timer(now)
        if any(len(one.datagram) > BEACON_BYTES for one in machine.take_transmits()):
            raise Unstable("a datagram that is too large goes out")
        machine.take_events()
        machine.deadline()


def take_rendezvous(leads: bool, data: bytes) -> None:
    """The words of a rendezvous: 14 bytes each, and when they come."""
    meeting, now = Meeting(lambda count: tuple(range(46830, 46830 + count)), 0.0, leads=leads), 0.0
    meeting.refused(now)
    for at in range(0, len(data), 14):
        step, number, later, port, when, took = struct.unpack("!BBBHQB", data[at : at + 14].ljust(14, b"\0"))
        now += later / 100
        word = Rendezvous(RendezvousStep(step % 4), number, (port,) * (later % 3), when, took << 24)
        meeting.receive(word, now)
        meeting.timer(now)
        for deed in meeting.take():
            if isinstance(deed, Fire):
                if deed.at > now + 2:
                    raise Unstable("a volley is put off for long")
                meeting.missed(now)
            elif leads or deed.step is not RendezvousStep.ASK:
                # What goes out can be written.
                replace(BEACONS[1], kind=BeaconKind.RENDEZVOUS, rendezvous=meeting.stamp(deed, now)).encode()


# --- the handshake


class Talk:
    """Two sides of a handshake, and the frames between them."""

    def __init__(self) -> None:
        self._sides = {Role.ISSUER: self._side(Role.ISSUER), Role.JOINER: self._side(Role.JOINER)}
        self.wire: list[tuple[Role, int, bytes]] = []
        self.collect()

    def _side(self, role: Role) -> Handshake:
        identity, mark = _identity(role), bytes([role is Role.JOINER])
        local = LocalSide(
            role, identity, f"{role}", mark * 16, mark * 32, mark * 32, gives=role is Role.JOINER
        )
        secret, name = (SECRET, None) if role is Role.ISSUER else (PEERS_SECRET, OFFER)
        return Handshake(local, Keyring([(OFFER, secret)]), _CERTIFICATE, HERE, name)

    def collect(self) -> None:
        """Do what the events ask for, and take what goes out."""
        for role, side in self._sides.items():
            while events := side.take_events():
                for event in events:
                    self._heed(side, event)
            self.wire += [(role, kind, body) for kind, body in side.take_outgoing()]

    def _heed(self, side: Handshake, event: object) -> None:
        if isinstance(event, Verified) and side.role is Role.ISSUER and side.may_be_nominated:
            side.nominate()
        elif isinstance(event, ApprovalNeeded):
            side.approve()
        elif isinstance(event, CommitNeeded):
            side.commit(bytes(32))
        elif isinstance(event, RecordUnconfirmed | RecordPaired):
            side.recorded()

    def step(self) -> tuple[Role, int, bytes] | None:
        """Carry one frame, and give it back."""
        if not self.wire:
            return None
        sender, kind, body = self.wire.pop(0)
        self.say(sender, kind, body)
        return sender, kind, body

    def say(self, sender: Role, kind: int, body: bytes) -> None:
        """One frame of this sender."""
        self._sides[sender.other].receive(kind, body)
        self.collect()


@cache
def _identity(role: Role) -> DeviceIdentity:
    return DeviceIdentity.from_private_bytes(bytes([role is Role.JOINER]) * 32)


@cache
def whole_talk() -> tuple[tuple[Role, int, bytes], ...]:
    """The frames of a handshake that succeeds."""
    talk = Talk()
    return tuple(iter(talk.step, None))


def take_handshake(data: bytes) -> None:
    """The first byte says after how many frames, the second one the type: then this body comes instead of the right
    one. What the machine says after it was refused is taken, too.
    """
    after = (data[0] if data else 0) % len(whole_talk())
    talk = Talk()
    for _ in range(after):
        talk.step()
    talk.say(whole_talk()[after][0], data[1] if len(data) > 1 else 0, data[2:])


# --- payload


def take_transfer(data: bytes) -> None:
    """A whole conversation of a session, as a stream of frames, at a side that receives, sends and hears messages."""
    receiver, sender, notes = Receiver(), Sender(), MessageQueue()
    receiver.want(USUAL)
    sender.offer()
    notes.post(b"message")
    decoder, view = FrameDecoder(FRAME_BYTES, {DATA}), memoryview(data)
    while view:
        part, used = decoder.decode(view)
        view = view[used:]
        if isinstance(part, Slice):
            receiver.data(len(part.data))
        elif part is not None:
            _give(decode_payload(part), receiver, sender, notes)
        _drive(receiver, sender)
    receiver.keep(None)
    receiver.detach()
    sender.detach()
    stable(
        receiver.state(bytes(16), b"", notes.received, sender.batch, sender.phase),
        Attach.encode,
        lambda body: decode_payload(Frame(Attach.TYPE, body)),
    )


def _give(message: Payload, receiver: Receiver, sender: Sender, notes: MessageQueue) -> None:
    match message:
        case Start() | Ask() | Begin() | End() | Abandon() | Total() | Finish() | Cancel():
            receiver.receive(message)
        case Accept() | Settled() | Have() | StopBatch() | Closed():
            sender.receive(message)
        case Note():
            notes.receive(message)
        case NoteAck():
            notes.acknowledge(message)
        case Attach():
            receiver.keep(None)
            receiver.detach()
            sender.detach()
            receiver.attach(message)
            sender.attach(message)
        case _:
            pass


def _drive(receiver: Receiver, sender: Sender) -> None:
    """What the disk and the driver of the sender would do."""
    events, receiver.events = receiver.events, []
    for event in events:
        if isinstance(event, FolderBegun):
            receiver.settle([Result(event.id)])
        elif isinstance(event, FileEnded):
            receiver.settle([Result(event.id, event.sha256)])
        elif isinstance(event, FileChecked):
            receiver.settle([Result(event.id, bytes(32))])
        elif isinstance(event, PartAsked):
            receiver.tell(Kept(event.key, 2), hashlib.sha256(b"ab").digest())
    for message in (*receiver.outbox, *sender.outbox):
        message.encode()
    receiver.outbox.clear()
    sender.outbox.clear()
    sender.events.clear()
    if sender.phase is SendPhase.OPEN and sender.room:
        if sender.settled and sender.next_id > 2:
            sender.finish()
        else:
            sender.begin(Kind.FOLDER, ("folder",))


def _talk_of_files() -> tuple[bytes, ...]:
    begin = Begin(0, Kind.FILE, ("d", "a.txt"), 4)
    kept = Kept(begin.key, 2)
    conversation = [
        Attach(bytes(16), b"", 0, 0, SendPhase.IDLE, 0, ReceivePhase.IDLE), Start(1), Total(1, 4, 1, ("d",)), begin,
        End(0, hashlib.sha256(b"abcd").digest()), Begin(1, Kind.FOLDER, ("e",)),
        Begin(2, Kind.MISSING, ("f",), reason="no"), Begin(3, Kind.CHECK, ("g",), 4), Begin(4, Kind.SAME, ("g",), 4),
        Finish(1), Accept(1), Settled(1, (Result(0),)), Note(1, b"x"), NoteAck(1, 1),
    ]  # fmt: skip
    frames = [encode_frame(one.TYPE, one.encode()) for one in conversation]
    frames.insert(4, frame_header(DATA, 4) + b"abcd")
    goes_on = [Ask(kept.key), replace(begin, offset=2), Accept(1, (kept,)), Have(1, kept, bytes(32))]
    parts = [encode_frame(one.TYPE, one.encode()) for one in goes_on]
    parts.insert(2, frame_header(DATA, 2) + b"cd")
    return (
        b"".join(frames),
        b"".join(frames[:10]),
        b"".join(frames[:2] + frames[11:]),
        b"".join(frames[:3] + parts[:3] + frames[5:11] + parts[3:]),
    )


# --- names


def take_name(data: bytes) -> None:
    """A file's name: safe and harmless forms stay what they are, in one folder, and fit everywhere."""
    name = data.decode(errors="replace")
    shown = filenames.stored_name(name, allow_hidden=False)
    safe = filenames.safe_name(name)
    harmless = filenames.harmless_name(safe)
    if filenames.safe_name(safe) != safe or filenames.harmless_name(harmless) != harmless:
        raise Unstable("cleaned twice is not cleaned once")
    if filenames.safe_name(harmless) != harmless:
        raise Unstable("a harmless name is not safe")
    for made in (safe, harmless, filenames.numbered(harmless, 3), filenames.numbered(safe, 10_000)):
        if len(made.encode()) > NAME_BYTES or "/" in made or "\0" in made or made in {"", ".", ".."}:
            raise Unstable("a name that leaves its folder or does not fit")
    if len(shown.encode()) > SHOWN_PATH_BYTES:
        raise Unstable("a shown name that is too long")


def take_path(data: bytes) -> None:
    """Several paths of one batch: each gets a place of its own below the folder."""
    names, given = filenames.NameTree(allow_hidden=False), set()
    for path in data.decode(errors="replace").split("\n")[:40]:
        try:
            made = names.file(tuple(path.split("/")[:_MOST_PARTS]))
        except WireError:
            continue
        key = tuple(map(filenames.name_key, made))
        if key in given:
            raise Unstable("two files of one name")
        given.add(key)


def take_label(data: bytes) -> None:
    """A device's name."""
    once = clean_label(text_of(data).encode(errors="replace").decode())
    if clean_label(once) != once or len(once.encode()) > LABEL_BYTES:
        raise Unstable("cleaned twice is not cleaned once")
    if escaped(once) != once and not any(mark in once for mark in "\u3000"):
        raise Unstable("a clean label is escaped on screens")


def take_screen(data: bytes) -> None:
    """Any text on a screen, file names that are no UTF-8 included."""
    once = escaped(text_of(data))
    if escaped(once) != once:
        raise Unstable("escaped twice is not escaped once")
    once.encode()


# --- files that are read back


def take_trust(data: bytes) -> None:
    """The trust store."""
    document = parse(data)
    written = dump(document)
    if dump(parse(written)) != written:
        raise Unstable("a store that is written in another way the second time")


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    memory = Path("/dev/shm")  # noqa: S108 - the folder in it has a random name
    return tempfile.TemporaryDirectory(prefix="localpair-fuzz-", dir=memory if memory.is_dir() else None)


def take_note(data: bytes) -> None:
    """A note of a claim, beside a part file."""
    path = Path(_scratch().name) / "note"
    path.write_bytes(data)
    note = read_note(Spot(None, str(path)))
    if note is not None and {"", ".", ".."} & set(note.parts):
        raise Unstable("a note that leads out of its folder")


def take_part_name(data: bytes) -> None:
    """What a kept part in a receiving folder, which others may write to, is called."""
    name = data.replace(b"/", b"_").replace(b"\0", b"_")[:255]
    if name in (b"", b".", b".."):
        return
    folder = Path(_scratch().name) / "kept"
    folder.mkdir(exist_ok=True)
    path = folder / os.fsdecode(name)
    path.touch()
    try:
        found = [Kept(part.key, part.bytes) for part in kept_parts(folder)]
    finally:
        path.unlink()
    accept = Accept(1, tuple(found))
    if decode_payload(Frame(Accept.TYPE, accept.encode())) != accept:
        raise Unstable("a sender reads another part than the one that is here")


def take_picture(data: bytes) -> None:
    """A picture of an offer, from anybody."""
    path = Path(_scratch().name) / "picture.png"
    path.write_bytes(data)
    read_image(path)


def _pictures() -> tuple[bytes, ...]:
    try:
        import zxingcpp  # noqa: F401 - both are optional
        from PIL import Image
    except ImportError:
        return ()
    path = Path(_scratch().name) / "sample.png"
    write_image(Offer(bytes(16), bytes(16), 46821, 46821, 120).text, path)
    whole, found = path.read_bytes(), [path.read_bytes()]
    for kind in ("JPEG", "WEBP", "GIF", "BMP"):
        into = io.BytesIO()
        with Image.open(io.BytesIO(whole)) as picture:
            picture.convert("RGB").resize((120, 120)).save(into, kind)
        found.append(into.getvalue())
    return tuple(found)


# --- the kernel


def take_tables(data: bytes) -> None:
    """A datagram of the routing socket, whatever it is about: what cannot be read is left out."""
    tables = netlink._Tables()
    takes: list[Callable[[bytes], None]] = [
        tables.take_link, tables.take_address, tables.take_neighbour, tables.take_route,
    ]  # fmt: skip
    for message in rt.messages(data):
        tables.read("table", takes[message.type % 4], message)
    tables.interfaces()


def _kernel() -> dict[str, bytes]:
    four = ip_address("192.168.1.20").packed
    return {
        "link": struct.pack("=BxHiII", 0, 1, 2, 0x1043, 0) + rt.attribute(3, b"eth0\0") + rt.attribute(33, b"\1")
        + rt.attribute(16, b"\6") + rt.attribute(4, struct.pack("=I", 1500))
        + rt.attribute(18, rt.attribute(1, b"veth\0")),
        "address": struct.pack("=BBBBI", 2, 24, 0x80, 0, 2) + rt.attribute(1, four) + rt.attribute(2, four)
        + rt.attribute(8, struct.pack("=I", 0x80)),
        "route": struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 254, 3, 0, 1, 0) + rt.attribute(5, four)
        + rt.attribute(4, struct.pack("=I", 2)) + rt.attribute(9, struct.pack("=HBBi", 8, 0, 0, 2) * 2)
        + rt.attribute(18, struct.pack("=H", 10) + bytes(16)),
        "neighbour": struct.pack("=BxxxiHBB", 2, 2, 2, 0, 1) + rt.attribute(1, four),
        "rule": struct.pack("=BBBBBBBBI", 2, 0, 24, 0, 254, 0, 0, 1, 2) + rt.attribute(2, four)
        + rt.attribute(6, struct.pack("=I", 100)) + rt.attribute(3, b"tun0\0") + rt.attribute(14, bytes([255] * 4)),
    }  # fmt: skip


def _replies() -> tuple[bytes, ...]:
    kinds = {"link": 16, "address": 21, "neighbour": 30, "route": 27}
    bodies = _kernel()
    parts = [rt.request(kind, 1, bodies[name], rt.DUMP) for name, kind in kinds.items()]
    return (b"".join(parts), *parts)


def _stores() -> tuple[bytes, ...]:
    one = record(1, alias="Ana", addresses=(Candidate(HERE, 46821),), created=1.5e9)
    broken = json.dumps({"version": 1, "generation": 7, "devices": [], "later": [1.5, None, "x"]}).encode()
    return (
        dump(Document(3, 5, (StoredRecord(one), StoredRecord(record(2), {"later": {"a": [1]}})))),
        dump(Document()),
        broken,
    )


_JSON: Final = (
    b"null", b"NaN", b"-Infinity", b"1e999", b"9" * 400, b"[[[[", b'"\\ud800"', b"{}", b"[]", b"true", b'"a":', b"-1",
    b"1.5",
)  # fmt: skip
_SIGNS: Final = tuple(
    text.encode()
    for text in (
        "/", "\\", "..", ".", " ", "CON", "nul.", ".lnk", "desktop.ini", ".localpair-", "A", "a", "(1)", "-", "\t",
        "\n", "\u202e", "\u200d", "\u200c", "\ufe0f", "e\u0301", "\u0301", "\ud55c", "\u1112\u1161\u11ab",
        "\u0627\u200c\u0628", "\U0001f468\u200d\U0001f469", "\u1820\u180b", "\u4e00\U000e0100", "\u017f", "\u00df",
        "\u0130", "x" * 300, "\u3164", "\u2800", "0\ufe0f\u20e3", "\u0915\u094d\u200d",
    )
)  # fmt: skip
_NAMES: Final = tuple(
    text.encode()
    for text in ("photo.jpg", "Ana's e\u0301te\u0301 (1).tar.gz", "\u0645\u06cc\u200c\u062e", ".bashrc")
)


_PARTS: Final = tuple(
    os.fsencode(kept_name(sender_mark("aaaa-bbbb"), FileKey.of(("film",), size, mtime), "film.mkv"))
    for size, mtime in ((5_000_000, 1_600_000_000_000_000_000), ((1 << 64) - 1, (1 << 64) - 1))
)


def machine_subjects() -> list[Subject]:
    """All of them."""
    bodies, pictures = _kernel(), _pictures()
    refused, malformed = (WireError, RefusedError), (ValueError,)
    talk = tuple(bytes([at, kind]) + body for at, (_, kind, body) in enumerate(whole_talk()))
    heard = [mark + one.encode() for one in BEACONS for mark in (b"\x04", b"\x07")]
    words = struct.pack("!BBBHQB", 0, 0, 1, 46830, 5, 0) + struct.pack("!BBBHQB", 2, 1, 5, 46830, 9, 0)
    words += struct.pack("!BBBHQB", 1, 1, 1, 46831, 9, 0) + struct.pack("!BBBHQB", 3, 1, 1, 46831, 9, 0)
    return [
        Subject("discovery, datagrams at a machine", take_datagrams, (*heard, b"".join(heard)), (), share=_SLOW),
        Subject("rendezvous, issuer", partial(take_rendezvous, True), (words,), (), limit=280, share=_SLOW),
        Subject("rendezvous, joiner", partial(take_rendezvous, False), (words,), (), limit=280, share=_SLOW),
        Subject("handshake, a frame at each state", take_handshake, talk, refused, share=_VERY_SLOW),
        Subject("session, a stream at a transfer", take_transfer, _talk_of_files(), (WireError,), share=_SLOW),
        Subject("file name", take_name, _NAMES, (WireError,), _SIGNS, share=_SLOW),
        Subject("paths of a batch", take_path, (b"\n".join(_NAMES), b"a/b/c\nA/b/C"), (), _SIGNS, 1024, _SLOW),
        Subject("label", take_label, _NAMES, (), _SIGNS, share=_SLOW),
        Subject("text on a screen", take_screen, _NAMES, (), _SIGNS, share=_SLOW),
        Subject("trust store", take_trust, _stores(), malformed, _JSON, TRUST_BYTES // 64, _SLOW),
        Subject("kept part's name", take_part_name, _PARTS, (), (b"-", b"g", b".kept", b"\xff", b"\n"), 255, _SLOW),
        Subject("note of a claim", take_note, (b"d/inner.bin", b"plain.txt"), (), (b"/", b".."), 512, _SLOW),
        *(
            [Subject("picture", take_picture, pictures, (OfferError,), limit=8192, share=_VERY_SLOW)]
            if pictures
            else []
        ),
        Subject("kernel, tables", take_tables, _replies(), ()),
        Subject("kernel, error", rt.error_number, (struct.pack("=i", -1),), malformed),
        Subject("kernel, link", rt.parse_link, (bodies["link"],), malformed),
        Subject("kernel, address", rt.parse_address, (bodies["address"],), malformed),
        Subject("kernel, route", rt.parse_route, (bodies["route"],), malformed),
        Subject("kernel, neighbour", rt.parse_neighbour, (bodies["neighbour"],), malformed),
        Subject("kernel, neighbour's entry", rt.parse_neighbour_entry, (bodies["neighbour"],), malformed),
        Subject("kernel, policy rule", parse_rule, (bodies["rule"],), malformed),
    ]  # fmt: skip
