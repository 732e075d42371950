"""Both halves of a transfer, back to back: no socket, no disk, and a connection that breaks wherever it can."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localpair.errors import WireError
from localpair.limits import (
    FOLDERS_KEPT,
    NAME_BYTES,
    NAMES_KEPT,
    NOTES_AHEAD,
    NOTES_AHEAD_BYTES,
    PATH_DEPTH,
    UNSETTLED_ENTRIES,
)
from localpair.protocol.filenames import PART_PREFIX, NameTree, name_key, numbered, safe_name
from localpair.protocol.messages import Notes
from localpair.protocol.receiver import (
    BatchCancelled,
    BatchFinished,
    EntryFailed,
    FileBegun,
    FileDropped,
    FileEnded,
    FolderBegun,
    Receiver,
)
from localpair.protocol.sender import Accepted, BatchDone, EntrySettled, Sender, StoppedByReceiver
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
    Note,
    NoteAck,
    Partial,
    Payload,
    ReceivePhase,
    Result,
    SendPhase,
    Settled,
    Start,
    Stop,
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
        assert isinstance(message, Accept | Settled | Stop | Closed)
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
        pair.taker.machine.want()
    return pair


def open_receiver() -> Receiver:
    receiver = Receiver()
    receiver.want()
    receiver.receive(Start(1))
    receiver.events.clear()
    receiver.outbox.clear()
    return receiver


# --- whole transfers


def test_a_tree_arrives_and_both_sides_know() -> None:
    pair = new_pair()
    pair.run()
    assert pair.taker.stored == TREE
    assert [pair.giver.settled[number].stored for number in range(4)] == [True] * 4
    assert not pair.taker.failed


def test_nothing_is_sent_before_the_receiver_wants_it() -> None:
    pair = new_pair(wanted=False)
    for _ in range(20):
        pair.turn()
    assert pair.delivered == 1
    assert pair.taker.machine.phase is ReceivePhase.OFFERED
    pair.taker.machine.want()
    pair.run()
    assert pair.taker.stored == TREE


def test_an_empty_batch_ends() -> None:
    pair = new_pair({})
    pair.run()
    assert pair.taker.stored == {}


def test_two_batches_one_after_the_other() -> None:
    pair = new_pair()
    pair.run()
    second: Tree = {("d", "ten"): b"another"}
    pair.giver.tree, pair.giver.entries, pair.giver._at = second, list(second.items()), 0
    pair.giver.done = pair.taker.finished = False
    pair.giver.machine.offer()
    pair.taker.machine.want()
    pair.run()
    assert pair.taker.stored[("d", "ten")] == b"another"


def frames_of_a_run(count: Callable[[Pair], int]) -> int:
    pair = new_pair()
    pair.run()
    return count(pair)


FORTH = frames_of_a_run(lambda pair: pair.delivered)
BACK = frames_of_a_run(lambda pair: pair.delivered_back)


@pytest.mark.parametrize("at", range(1, FORTH + 1))
def test_resume_after_every_frame_to_the_receiver(at: int) -> None:
    pair = new_pair()
    while not pair.turn(forth=at):
        pass
    pair.break_now()
    pair.run()
    assert pair.taker.stored == TREE
    assert all(result.stored for result in pair.giver.settled.values())


@pytest.mark.parametrize("at", range(1, BACK + 1))
def test_resume_after_every_frame_to_the_sender(at: int) -> None:
    pair = new_pair()
    while not pair.turn(back=at):
        pass
    pair.break_now()
    pair.run()
    assert pair.taker.stored == TREE
    assert len(pair.giver.settled) == len(TREE)


@given(st.lists(st.integers(0, 6), max_size=12))
def test_any_number_of_breaks_in_any_place(gaps: list[int]) -> None:
    pair = new_pair()
    for gap in gaps:
        for _ in range(gap):
            if not pair.giver.done:
                pair.turn()
        pair.break_now()
    pair.run()
    assert pair.taker.stored == TREE
    assert pair.connections == len(gaps) + 1


def test_a_resumed_file_is_not_sent_again() -> None:
    pair = new_pair({("big",): bytes(400)})
    while pair.giver.chunks_sent < 50:
        pair.turn()
    pair.break_now()
    pair.run()
    assert pair.giver.chunks_sent <= 102


@pytest.mark.parametrize("changed", [b"0023456789", b"012", b"something longer than before"])
def test_a_file_that_changed_meanwhile_starts_anew(changed: bytes) -> None:
    pair = new_pair({("ten",): b"0123456789"})
    while len(pair.taker.data) < 8:
        pair.turn()
    pair.giver.tree = {("ten",): changed}
    pair.giver.entries = list(pair.giver.tree.items())
    pair.break_now()
    pair.run()
    assert pair.taker.stored == {("ten",): changed}


def test_a_partial_file_that_was_lost_starts_anew() -> None:
    pair = new_pair({("ten",): b"0123456789"})
    while len(pair.taker.data) < 8:
        pair.turn()
    pair.giver.machine.detach()
    pair.taker.machine.detach()
    pair.taker.machine.keep(None)
    pair.connect()
    pair.run()
    assert pair.taker.stored == {("ten",): b"0123456789"}


def test_the_window_bounds_what_is_unsettled() -> None:
    sender = Sender()
    sender.offer()
    sender.receive(Accept(1))
    for _ in range(UNSETTLED_ENTRIES):
        assert sender.room
        sender.begin(Kind.FOLDER, ("d",))
    assert not sender.room
    with pytest.raises(ValueError, match="unsettled"):
        sender.begin(Kind.FOLDER, ("d",))
    sender.receive(Settled(1, (Result(1),)))
    assert not sender.room
    sender.receive(Settled(1, (Result(0),)))
    assert sender.room


def test_a_sender_beyond_the_window_is_refused() -> None:
    receiver = open_receiver()
    for number in range(UNSETTLED_ENTRIES):
        receiver.receive(Begin(number, Kind.FOLDER, (f"d{number}",)))
    with pytest.raises(WireError):
        receiver.receive(Begin(UNSETTLED_ENTRIES, Kind.FOLDER, ("last",)))


# --- ends before the end


def test_the_sender_cancels() -> None:
    pair = new_pair()
    while not pair.taker.data:
        pair.turn()
    pair.giver.machine.cancel("enough")
    while pair.taker.cancelled is None:
        pair.turn()
    assert pair.taker.cancelled == "enough"
    assert pair.taker.machine.phase is ReceivePhase.IDLE


def test_the_receiver_stops_and_what_is_under_way_is_passed_over() -> None:
    pair = new_pair()
    while not pair.taker.data:
        pair.turn()
    pair.taker.machine.stop("disk full")
    for _ in range(40):
        pair.turn()
    assert pair.giver.stopped == "disk full"
    assert pair.giver.machine.phase is SendPhase.IDLE
    assert pair.taker.machine.phase is ReceivePhase.IDLE
    assert not pair.taker.failed


@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_an_end_that_the_broken_connection_swallowed_is_told_on_the_next_one(who: str) -> None:
    pair = new_pair()
    while not pair.taker.data:
        pair.turn()
    pair.giver.machine.detach()
    pair.taker.detach()
    if who == "sender":
        pair.giver.machine.cancel("enough")
        pair.giver.machine.outbox.clear()
    else:
        pair.taker.machine.stop("disk full")
        pair.taker.machine.outbox.clear()
    pair.connect()
    for _ in range(5):
        pair.turn()
    assert pair.giver.machine.phase is SendPhase.IDLE
    assert pair.taker.machine.phase is ReceivePhase.IDLE
    assert (pair.taker.cancelled is not None) == (who == "sender")
    assert (pair.giver.stopped == "disk full") == (who == "receiver")


def test_a_cancelled_sender_may_start_again_at_once() -> None:
    pair = new_pair()
    while not pair.taker.data:
        pair.turn()
    pair.giver.machine.cancel("enough")
    pair.giver._at, pair.giver._left = 0, None
    pair.giver.machine.offer()
    while pair.taker.machine.phase is not ReceivePhase.OFFERED:
        pair.turn()
    pair.taker.machine.want()
    pair.run()
    assert pair.taker.stored[("d", "more")] == TREE[("d", "more")]


def test_a_cancellation_that_crosses_the_end_is_no_fault() -> None:
    receiver = open_receiver()
    receiver.receive(Finish(1))
    receiver.receive(Cancel(1, "too late"))
    assert receiver.phase is ReceivePhase.CLOSED


def test_a_cancellation_whose_start_was_lost_is_no_fault() -> None:
    receiver = begun(10)
    receiver.receive(Cancel(2, "never mind"))
    assert receiver.phase is ReceivePhase.OPEN


def test_answers_to_a_cancelled_batch_are_passed_over() -> None:
    sender = Sender()
    sender.offer()
    sender.receive(Accept(1))
    sender.begin(Kind.FOLDER, ("d",))
    sender.cancel("enough")
    sender.offer()
    for message in (Settled(1, (Result(0),)), Stop(1, "no"), Closed(1), Accept(1)):
        sender.receive(message)
    assert sender.phase is SendPhase.OFFERED
    assert sender.events == [Accepted()]


# --- lies


def begun(size: int) -> Receiver:
    receiver = open_receiver()
    receiver.receive(Begin(0, Kind.FILE, ("f",), size))
    receiver.events.clear()
    return receiver


def test_more_bytes_than_announced_are_refused_and_the_rest_thrown_away() -> None:
    receiver = begun(10)
    assert receiver.data(10)
    assert not receiver.data(1)
    assert not receiver.data(1 << 40)
    assert [type(event) for event in receiver.events] == [FileDropped, EntryFailed]
    receiver.receive(End(0, digest(b"")))
    receiver.receive(Begin(1, Kind.FILE, ("g",), 1))
    assert receiver.data(1)
    [settled] = [message for message in receiver.outbox if isinstance(message, Settled)]
    assert not settled.results[0].stored


def test_fewer_bytes_than_announced_are_refused() -> None:
    receiver = begun(10)
    receiver.data(9)
    receiver.receive(End(0, digest(b"")))
    assert [type(event) for event in receiver.events] == [FileDropped, EntryFailed]


def test_an_abandoned_file_is_dropped_and_told() -> None:
    receiver = begun(10)
    receiver.data(3)
    receiver.receive(Abandon(0, "it changed"))
    assert receiver.events == [FileDropped(0), EntryFailed(0, "f", "it changed")]
    assert receiver.outbox == [Settled(1, (Result(0, reason="it changed"),))]


@pytest.mark.parametrize(
    "message",
    [
        Begin(1, Kind.FILE, ("g",), 1),
        Begin(0, Kind.FILE, ("g",), 1),
        Begin(1, Kind.FILE, ("g",), 10, offset=5),
        End(1, bytes(32)),
        Abandon(7, "?"),
        Finish(1),
        Finish(2),
        Start(2),
        Start(0),
    ],
    ids=repr,
)
def test_what_does_not_fit_ends_the_session(message: Payload) -> None:
    receiver = begun(10)
    with pytest.raises(WireError):
        receiver.receive(message)  # type: ignore[arg-type]


def test_bytes_without_a_file_end_the_session() -> None:
    receiver = open_receiver()
    with pytest.raises(WireError):
        receiver.data(1)


def test_entries_outside_a_batch_end_the_session() -> None:
    with pytest.raises(WireError):
        Receiver().receive(Begin(0, Kind.FOLDER, ("d",)))


@pytest.mark.parametrize(
    "message",
    [Settled(1, (Result(0),)), Accept(2), Closed(1), Settled(2, ()), Stop(9, "?")],
    ids=repr,
)
def test_a_receiver_that_lies_is_found_out(message: Payload) -> None:
    sender = Sender()
    sender.offer()
    sender.receive(Accept(1))
    with pytest.raises(WireError):
        sender.receive(message)  # type: ignore[arg-type]


def test_a_receiver_that_stored_other_bytes_has_not_stored_the_file() -> None:
    sender = Sender()
    sender.offer()
    sender.receive(Accept(1))
    sender.begin(Kind.FILE, ("f",), 3)
    sender.data(3)
    sender.end(digest(b"abc"))
    sender.receive(Settled(1, (Result(0, digest(b"abd")),)))
    event = sender.events[-1]
    assert isinstance(event, EntrySettled)
    assert not event.result.stored


@pytest.mark.parametrize(
    "state",
    [
        {"next_id": 3},
        {"next_id": 1},
        {"next_id": 0, "partial": Partial(1, 1, bytes(32))},
        {"next_id": 2, "results": (Result(0),)},
        {"next_id": 0, "results": (Result(2),)},
        {"batch": 4},
        {"phase": ReceivePhase.IDLE},
        {"phase": ReceivePhase.CLOSED},
    ],
    ids=repr,
)
def test_a_state_that_cannot_be_is_refused(state: dict[str, object]) -> None:
    sender = Sender()
    sender.offer()
    sender.receive(Accept(1))
    for name in ("a", "b"):
        sender.begin(Kind.FOLDER, (name,))
    sender.detach()
    batch, phase = state.pop("batch", 1), state.pop("phase", ReceivePhase.OPEN)
    with pytest.raises(WireError):
        sender.attach(Attach(OWN, PEER, 0, 0, SendPhase.IDLE, batch, phase, **state))  # type: ignore[arg-type]


receiver_messages = st.one_of(
    st.builds(Start, st.integers(0, 3)),
    st.builds(
        Begin, st.integers(0, 4), st.sampled_from(Kind),
        st.lists(st.sampled_from(["a", "..", "A", "con", "", "a/b"]), min_size=1, max_size=3).map(tuple),
        st.integers(0, 9), st.integers(0, 9), st.integers(0, 4),
    ),
    st.builds(End, st.integers(0, 4), st.just(bytes(32))),
    st.builds(Abandon, st.integers(0, 4), st.just("?")),
    st.builds(Total, st.integers(0, 9), st.integers(0, 9)),
    st.builds(Finish, st.integers(0, 3)),
    st.builds(Cancel, st.integers(0, 3), st.just("?")),
    st.integers(0, 9),
    st.sampled_from(["want", "stop", "detach"]),
)  # fmt: skip


@given(st.lists(receiver_messages, max_size=30))
@settings(max_examples=300)
def test_a_receiver_under_garbage_stays_itself(script: list[object]) -> None:
    """Whatever comes gives events or one WireError, and every path in them is safe."""
    receiver = Receiver()
    try:
        for item in script:
            _apply(receiver, item)
            for event in receiver.events:
                if isinstance(event, FileBegun | FolderBegun):
                    assert all(safe_name(part) == part for part in event.parts)
    except WireError:
        pass
    assert len(receiver._paths) <= UNSETTLED_ENTRIES


def _apply(receiver: Receiver, item: object) -> None:
    if isinstance(item, int):
        receiver.data(item)
    elif item == "want":
        receiver.want()
    elif item == "stop":
        receiver.stop("?")
    elif item == "detach":
        if receiver.detach() is not None:
            receiver.keep(None)
    else:
        receiver.receive(item)  # type: ignore[arg-type]


# --- names


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "../x", "a\0b", "a/"])
def test_what_no_honest_sender_says_is_refused(name: str) -> None:
    with pytest.raises(WireError):
        safe_name(name)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("readme.txt", "readme.txt"),
        (".gitignore", ".gitignore"),
        ("Größe 1.jpg", "Größe 1.jpg"),
        ("Gro\u0308ße", "Größe"),
        ("C:\\Windows\\x", "C__Windows_x"),
        ("C:", "C_"),
        ("\\\\server\\share", "__server_share"),
        ("file.txt:stream", "file.txt_stream"),
        ("con", "_con"),
        ("CON.txt", "_CON.txt"),
        ("aux.tar.gz", "_aux.tar.gz"),
        ("com1", "_com1"),
        ("COM¹.log", "_COM¹.log"),
        ("nul .txt", "_nul .txt"),
        ("conference", "conference"),
        ("name.", "name_"),
        ("name. .", "name___"),
        ("...", "___"),
        (" ", "_"),
        ("a\nb\x1b[31m", "a_b_[31m"),
        ("invoice\u202egpj.exe", "invoice_gpj.exe"),
        ("zero\u200bwidth", "zero_width"),
        ("👨\u200d👩\u200d👧.png", "👨\u200d👩\u200d👧.png"),
        (".localpair-0123.part", "_.localpair-0123.part"),
        (".LocalPair-0123.part", "_.LocalPair-0123.part"),
        ("a*b?c", "a_b_c"),
    ],
)
def test_what_is_harmful_elsewhere_is_escaped(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text(min_size=1, max_size=300))
def test_safe_names_are_safe_and_stay_as_they_are(name: str) -> None:
    try:
        safe = safe_name(name)
    except WireError:
        return
    assert safe_name(safe) == safe
    assert 0 < len(safe.encode()) <= NAME_BYTES
    assert not set(safe) & set('/\\:*?"<>|\0')
    assert not safe.endswith((".", " "))
    assert not name_key(safe).startswith(PART_PREFIX)


def test_long_names_keep_their_suffix() -> None:
    safe = safe_name("ж" * 300 + ".tar")
    assert len(safe.encode()) <= NAME_BYTES
    assert safe.endswith("ж.tar")


@given(st.text("ab.\u0436", min_size=1, max_size=300), st.integers(0, 10**6))
def test_numbered_names_stay_safe(name: str, number: int) -> None:
    try:
        safe = safe_name(name)
    except WireError:
        return
    assert safe_name(numbered(safe, number)) == numbered(safe, number)
    assert numbered(safe, 0) == safe


def test_names_that_some_file_system_takes_for_one_are_told_apart() -> None:
    tree = NameTree()
    names = ["Readme", "README", "readme", "caf\u00e9", "cafe\u0301", "straße", "STRASSE", "a:b", "a?b"]
    given_names = [tree.file((name,))[0] for name in names]
    assert len({name_key(name) for name in given_names}) == len(names)
    assert given_names[:3] == ["Readme", "README (1)", "readme (2)"]


def test_a_folder_keeps_its_name_and_its_neighbours_get_others() -> None:
    tree = NameTree()
    assert tree.folder(("Docs",)) == ("Docs",)
    assert tree.folder(("docs",)) == ("docs (1)",)
    assert tree.file(("docs", "a")) == ("docs (1)", "a")
    assert tree.file(("Docs", "a")) == ("Docs", "a")
    assert tree.file(("DOCS",)) == ("DOCS (2)",)
    assert tree.folder(("Docs",)) == ("Docs",)


def test_a_name_that_a_number_made_is_not_given_twice() -> None:
    tree = NameTree()
    names = [tree.file((name,))[0] for name in ["a (1)", "a", "a", "A", "a (1)"]]
    assert len({name_key(name) for name in names}) == len(names)


def test_many_equal_names_cost_no_more_than_few() -> None:
    tree = NameTree()
    names = {tree.file(("same.txt",)) for _ in range(20_000)}
    assert len(names) == 20_000


def test_a_name_tree_keeps_what_it_was_told_last_and_no_more() -> None:
    tree = NameTree()
    assert tree.folder(("kept",)) == ("kept",)
    for number in range(3 * NAMES_KEPT):
        assert tree.file(("kept", "deep", str(number))) == ("kept", "deep", str(number))
        assert tree.folder((f"folder {number}",)) == (f"folder {number}",)
    assert tree.folder(("kept",)) == ("kept",)
    assert tree.file(("kept", "deep", f"{3 * NAMES_KEPT - 1}"))[-1] == f"{3 * NAMES_KEPT - 1} (1)"
    assert (len(tree._folders), len(tree._taken)) == (FOLDERS_KEPT, NAMES_KEPT)


def test_a_walk_never_comes_back_to_a_folder_that_was_forgotten() -> None:
    """As many folders as are kept, each as deep as may be, and files in every folder on the way back up."""
    tree = NameTree()
    for number in range(2 * FOLDERS_KEPT // PATH_DEPTH):
        path = (f"top {number}", *(str(depth) for depth in range(PATH_DEPTH - 2)))
        for depth in range(1, len(path) + 1):
            assert tree.folder(path[:depth]) == path[:depth]
        for depth in range(len(path), 0, -1):
            assert tree.file((*path[:depth], "file")) == (*path[:depth], "file")


# --- messages


def test_messages_arrive_once_and_in_order_over_broken_connections() -> None:
    ours, theirs, heard = Notes(), Notes(), []
    lost = [ours.post(b"1"), ours.post(b"2")]
    assert theirs.receive(lost[0])
    heard.append(lost[0].data)
    number = theirs.received
    while (note := ours.after(number)) is not None:
        number = note.number
        assert theirs.receive(note)
        heard.append(note.data)
    assert not theirs.receive(lost[1])
    assert heard == [b"1", b"2"]
    ours.acknowledge(theirs.ack())
    assert ours.unacknowledged == 0
    assert ours.after(2) is None


def test_the_window_of_messages_opens_when_they_are_taken() -> None:
    ours, theirs = Notes(), Notes()
    for _ in range(NOTES_AHEAD):
        assert ours.room(1)
        assert theirs.receive(ours.post(b"x"))
    ours.acknowledge(theirs.ack())
    assert not ours.room(1)
    with pytest.raises(WireError):
        theirs.receive(Note(NOTES_AHEAD + 1, b"x"))
    theirs.take()
    ours.acknowledge(theirs.ack())
    assert ours.room(1)


def test_a_large_message_passes_an_empty_window_and_then_none() -> None:
    ours, theirs = Notes(), Notes()
    assert ours.room(NOTES_AHEAD_BYTES + 1)
    assert theirs.receive(ours.post(bytes(NOTES_AHEAD_BYTES)))
    assert not ours.room(1)
    with pytest.raises(WireError):
        theirs.receive(Note(2, b"x"))


@pytest.mark.parametrize("ack", [NoteAck(2, 0), NoteAck(1, 2)])
def test_an_acknowledgement_of_what_was_never_sent_is_refused(ack: NoteAck) -> None:
    notes = Notes()
    notes.post(b"x")
    with pytest.raises(WireError):
        notes.acknowledge(ack)


def test_a_gap_in_messages_is_refused() -> None:
    with pytest.raises(WireError):
        Notes().receive(Note(2, b"x"))
