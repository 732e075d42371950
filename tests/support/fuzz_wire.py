"""The parsers of ``localpair.wire`` as subjects of fuzzing: what a stranger's bytes and texts meet first."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from ipaddress import ip_address
from typing import Final
from zlib import crc32

from cause_cases import CASES
from fuzzing import Subject, Unstable, stable
from localpair.causes.facts import RunFacts
from localpair.causes.records import compact, report_code
from localpair.causes.records.codec import FactsError, from_dict, to_dict
from localpair.causes.records.reports import read_report
from localpair.causes.records.telling import packed
from localpair.errors import AnswerError, OfferError, WireError
from localpair.keys import BEACON_NONCE_BYTES, Purpose, Role, SharedSecret
from localpair.limits import (
    ANSWER_CODE_CHARS,
    DATAGRAM_BYTES,
    FACTS_COMPACT_BYTES,
    FRAME_BYTES,
    FRAME_PREAUTH_BYTES,
    OFFER_TEXT_CHARS,
    REPORT_CODE_CHARS,
)
from localpair.protocol.keyring import OFFER, Keyring
from localpair.wire import answer as answers
from localpair.wire import messages, payload
from localpair.wire.answer import Answer
from localpair.wire.base32 import spell, unspell, words
from localpair.wire.beacon import (
    Beacon,
    BeaconKind,
    Envelope,
    FactsPart,
    Mode,
    Part,
    Rendezvous,
    RendezvousStep,
    Seen,
)
from localpair.wire.filekey import FileKey, Kept
from localpair.wire.framing import Frame, FrameDecoder, Slice, encode_frame
from localpair.wire.messages import CallKind, Claims, Preamble, decode_message
from localpair.wire.offer import Offer, OfferedAddress
from localpair.wire.offer_text import unwrap, wrap
from localpair.wire.payload import DATA, Kind, Partial, Payload, Result, decode_payload

SECRET: Final = SharedSecret(bytes(range(16)), Purpose.OFFER, Role.ISSUER)
PEERS_SECRET: Final = SharedSecret(bytes(range(16)), Purpose.OFFER, Role.JOINER)
RING: Final = Keyring([(OFFER, SECRET)])
HERE: Final = ip_address("192.168.1.20")
HERE6: Final = ip_address("fd00::20")
_FRAMES: Final = (encode_frame(7, b""), encode_frame(9, b"x" * 40), encode_frame(DATA, b"y" * 90))

OFFERS: Final = (
    Offer(bytes(16), bytes(16), 46821, 46821, 120),
    Offer(
        bytes(range(16)), bytes(range(16)), 46822, 46823, 300, "post", gives=True, takes=True, discoverable=False,
        candidates=(OfferedAddress(HERE, 24), OfferedAddress(HERE6, 64)), label="Ana", made_for=bytes(8),
        dial_port=46833,
    ),
)  # fmt: skip
ANSWERS: Final = (
    Answer(46821, 0, (HERE,)),
    Answer(50_000, 46830, (HERE, ip_address("10.0.0.7"), HERE6)),
)
BEACONS: Final = (
    Beacon(BeaconKind.ANNOUNCE, Part.HOST, bytes(16), 1, 46821, 46821),
    Beacon(
        BeaconKind.RENDEZVOUS, Part.JOIN, bytes(range(16)), 7, 46821, 46821, 46830, 5000, (HERE, HERE6),
        Seen(HERE, 46821), HERE6, "phone", Rendezvous(RendezvousStep.READY, 3, (46830, 46831), 5, 6), 9, (b"12345678",),
    ),
    Beacon(
        BeaconKind.FACTS, Part.JOIN, bytes(range(16)), 8, 46821, 46821, 46830, 5000,
        facts=FactsPart(b"12345678", b"87654321", 1, 3, bytes(range(192))),
    ),
)  # fmt: skip
CLAIMS: Final = Claims(bytes(32), bytes(16), HERE, gives=True, via="offer", label="Ana's laptop")
MESSAGES: Final[tuple[messages.Message, ...]] = (
    messages.Hello(Role.JOINER, bytes(32), bytes(32)),
    messages.Proof(bytes(32)),
    messages.Identity(bytes(32), bytes(64), CLAIMS.encode()),
    messages.Nominate(bytes(32)),
    messages.Approve(),
    messages.Commit(bytes(32)),
    messages.Recorded(),
    messages.Refuse(4, bytes(32)),
    messages.SelfCall(bytes(16), HERE6),
    messages.SelfAnswer(bytes(32)),
    messages.CarriedBeacon(bytes(320)),
)
_STORED: Final = Result(4, bytes(32))
_FAILED: Final = Result(5, reason="no room")
_KEPT: Final = Kept(FileKey.of(("folder", "film"), 5_000_000, 1_600_000_000_000_000_000), 2_000_000)
PAYLOADS: Final[tuple[Payload, ...]] = (
    payload.Attach(
        bytes(16), bytes(16), 3, 1, payload.SendPhase.OPEN, 2, payload.ReceivePhase.STOPPED, "enough", 6,
        Partial(6, 900, bytes(32)), (_STORED, _FAILED),
    ),
    payload.Ping(), payload.Bye(), payload.Note(1, b"hello"), payload.NoteAck(4, 3), payload.Start(1),
    payload.Accept(1), payload.Accept(1, (_KEPT,)), payload.Ask(_KEPT.key), payload.Have(1, _KEPT, bytes(32)),
    payload.Begin(0, Kind.FILE, ("folder", "e\u0301 \U0001f600.txt"), 100, 1_600_000_000_000_000_000, 50),
    payload.Begin(1, Kind.MISSING, ("a",), reason="Permission denied"), payload.Begin(2, Kind.CHECK, ("a",), 7, 8),
    payload.End(0, bytes(32)), payload.Abandon(0, "changed"), payload.Total(3, 900, 2, ("folder", "a.txt")),
    payload.Finish(1), payload.Closed(1), payload.Cancel(1, "cancelled"), payload.StopBatch(1, "disk full"),
    payload.Settled(1, (_STORED, _FAILED, Result(6, left=True))),
)  # fmt: skip


# --- texts


def text_of(data: bytes) -> str:
    """A text as a command line gives it: bytes that are no UTF-8 become lone surrogates."""
    return data.decode(errors="surrogateescape")


def take_offer(data: bytes) -> None:
    """An offer as a person pastes it."""
    _check_offer(Offer.parse(text_of(data)))


def take_offer_body(data: bytes) -> None:
    """What somebody put under a right checksum."""
    _check_offer(Offer.parse(wrap(data)))


def _check_offer(offer: Offer) -> None:
    stable(offer, lambda one: one.text.encode(), lambda written: Offer.parse(written.decode()))


def take_answer(data: bytes) -> None:
    """An answer code as a person types it."""
    _check_answer(Answer.parse(text_of(data), SECRET))


def take_answer_body(data: bytes) -> None:
    """What a holder of the offer put under a right check."""
    text = answers.PREFIX + spell(data + SECRET.answer_check(data))
    _check_answer(Answer.parse(text, SECRET))


def _check_answer(answer: Answer) -> None:
    if answer.addresses:  # else all were dropped, and there is nothing to show
        stable(
            answer, lambda one: one.text(SECRET).encode(), lambda text: Answer.parse(text.decode(), SECRET)
        )


def take_base32(data: bytes) -> None:
    """Letters: each value has one spelling."""
    for end, word in words(text := text_of(data)):
        if end > len(text):
            raise Unstable("a word ends behind the text")
        spelt = unspell(word)
        if spelt is not None and spell(spelt) != word:
            raise Unstable("another spelling is read as well")
    unspell(text)


def take_wrapped(data: bytes) -> None:
    """The text form alone."""
    if unwrap(wrap(body := unwrap(text_of(data)))) != body:
        raise Unstable("a body is wrapped into something else")


# --- datagrams


def take_envelope(data: bytes) -> None:
    """A datagram's frame: nothing in it is left out."""
    if Envelope.decode(data).encode() != data:
        raise Unstable("a frame that is written in another way")


def take_beacon(data: bytes) -> None:
    """A body; later fields behind it are not looked at."""
    stable(Beacon.decode(data), Beacon.encode, Beacon.decode)


def take_datagram(data: bytes) -> None:
    """A datagram from anybody, at somebody who holds a secret."""
    RING.open(Envelope.decode(data))


def take_open_datagram(data: bytes) -> None:
    """A body in an open beacon, at somebody who has made no offer yet."""
    envelope = Envelope(Mode.OPEN, bytes(12), bytes(8), data.ljust(296, b"\0")[:296])
    Keyring().open(Envelope.decode(envelope.encode()))


def sealed(plaintext: bytes) -> bytes:
    """A datagram of somebody who holds the secret and says what it likes."""
    nonce = hashlib.sha256(plaintext).digest()[:BEACON_NONCE_BYTES]
    frame = Envelope(Mode.SEALED, nonce, PEERS_SECRET.tag(nonce, b""), b"")
    return frame.header + PEERS_SECRET.seal(nonce, plaintext, frame.header, b"")


def take_sealed(data: bytes) -> None:
    """What stands behind a seal that is right, whatever its size."""
    size = len(BEACONS[0].encode())
    RING.open(Envelope.decode(sealed(data.ljust(size, b"\0")[:size])))


# --- connections


def take_preamble(data: bytes) -> None:
    """The first eight bytes of a call."""
    if Preamble.decode(data).encode() != data:
        raise Unstable("a preamble that is written in another way")


def take_claims(data: bytes) -> None:
    """What a side says of itself; later fields behind it are not looked at."""
    stable(Claims.decode(data), Claims.encode, Claims.decode)


def take_message(kind: int, data: bytes) -> None:
    """A message of the handshake."""
    message = decode_message(kind, data)
    once = stable(message, lambda one: one.encode(), partial(decode_message, kind))
    # The version of a hello is the sender's own.
    if not data[kind == messages.Hello.TYPE :].startswith(once[kind == messages.Hello.TYPE :]):
        raise Unstable("a message that is written in another way")


def take_payload(kind: int, data: bytes) -> None:
    """A message of a session."""
    message = decode_payload(Frame(kind, data))
    stable(message, lambda one: one.encode(), lambda body: decode_payload(Frame(kind, body)))


def take_any_message(data: bytes) -> None:
    """A message of any type: the first byte says which."""
    take_message(data[0] if data else 0, data[1:])


def take_any_payload(data: bytes) -> None:
    """A message of a session of any type: the first byte says which."""
    take_payload(data[0] if data else 0, data[1:])


def take_stream(data: bytes) -> None:
    """A byte stream, whole and in pieces: both give the same frames."""
    size = data[0] % 40 + 1 if data else 1
    whole = _frames([data[1:]])
    if _frames([data[at : at + size] for at in range(1, len(data), size)]) != whole:
        raise Unstable("the cuts of a stream change its frames")


def _frames(pieces: list[bytes]) -> tuple[list[tuple[int, bytes]], bool]:
    """The frames before the end or the first fault, and whether there was one."""
    decoder, frames, streamed = FrameDecoder(FRAME_PREAUTH_BYTES, {DATA}), [], b""
    for piece in pieces:
        view = memoryview(piece)
        while view:
            try:
                part, used = decoder.decode(view)
            except WireError:
                return frames, True
            view = view[used:]
            if isinstance(part, Slice):
                streamed += part.data
                if part.last:
                    frames.append((part.type, streamed))
                    streamed = b""
            elif part is not None:
                frames.append((part.type, part.body))
    return frames, False


# --- facts


def take_facts(data: bytes) -> None:
    """Facts that another device tells in beacons."""
    stable(compact.decode(data), compact.encode, compact.decode)


def take_report_code(data: bytes) -> None:
    """A report code as a person pastes it; how a larger record is made to fit is no part of it."""
    facts = report_code.parse(text_of(data))
    stable(facts, compact.encode, compact.decode)


def take_report_body(data: bytes) -> None:
    """What somebody put under a right check."""
    checked = data + crc32(data).to_bytes(4, "big")
    take_report_code((report_code.PREFIX + spell(checked)).encode())


def take_facts_json(data: bytes) -> None:
    """Facts in a report that somebody sends."""
    try:
        found = json.loads(text_of(data))
    except (ValueError, RecursionError):
        return
    stable(from_dict(found), _facts_json, lambda text: from_dict(json.loads(text)))


def take_report(data: bytes) -> None:
    """A file that a person hands over as a device's report."""
    report = read_report(text_of(data))
    for facts in (report.facts, report.claimed):
        if facts is not None:
            stable(facts, _facts_json, lambda text: from_dict(json.loads(text)))


def _facts_json(facts: RunFacts) -> bytes:
    return json.dumps(to_dict(facts)).encode()


_SLOW: Final = 0.3  # of the asked inputs: these cost more than 100 us each
_TYPED: Final = (
    b"-",
    b" ",
    b"\n",
    b"> ",
    b"LP:",
    b"LA:",
    b"lp:",
    b"0",
    b"1",
    b"8",
    "\u2060".encode(),
    "\u017f".encode(),
)
_RUNS: Final = [one for case in CASES[::6] for one in (case.mine, case.theirs) if one is not None]
_FACTS: Final = tuple(packed(one, FACTS_COMPACT_BYTES) for one in _RUNS)
_REPORTS: Final = tuple(report_code.code_of(one).encode() for one in _RUNS)
_TEXTS: Final = tuple(one.text.encode() for one in OFFERS)
_CODES: Final = tuple(one.text(SECRET).encode() for one in ANSWERS)
_OFFER_BODIES: Final = tuple(unwrap(one.text) for one in OFFERS)
_ANSWER_BODIES: Final = tuple(answers._encode(one) for one in ANSWERS)
_BODIES: Final = tuple(one.encode() for one in BEACONS)
_DATAGRAMS: Final = (
    *(Keyring([(OFFER, PEERS_SECRET)]).seal(OFFER, one, bytes([number]) * 12) for number, one in enumerate(BEACONS)),
    Keyring().seal(None, BEACONS[0], bytes(12)),
)  # fmt: skip
_MARKS: Final = (
    b"\x04",
    b"\x06",
    b"\0\0\0\0\0\0\0\0\0\0\xff\xff",
    b"\xed\xa0\x80",
    "\u202e".encode(),
    b"\xc0\xaf",
)


def _handed_over() -> tuple[bytes, ...]:
    """A report in each form that a file may have."""
    one, other = map(_facts_json, _RUNS[:2])
    events = b'{"event": "ready"}\n{"event": "explained", "facts": %b, "claimed": %b}\n'
    return b'{"run": %b}' % one, events % (one, other), b"my code is " + _REPORTS[0]


def wire_subjects() -> list[Subject]:
    """All of them."""
    wire = (WireError,)
    of_offer, of_answer = (OfferError,), (AnswerError,)
    return [
        Subject("offer, as pasted", take_offer, _TEXTS, of_offer, _TYPED, 2 * OFFER_TEXT_CHARS, _SLOW),
        Subject("offer, under its checksum", take_offer_body, _OFFER_BODIES, of_offer, _MARKS, 400, _SLOW),
        Subject("offer's text form", take_wrapped, _TEXTS, of_offer, _TYPED, 2 * OFFER_TEXT_CHARS),
        Subject("answer code, as typed", take_answer, _CODES, of_answer, _TYPED, 2 * ANSWER_CODE_CHARS, _SLOW),
        Subject("answer code, under its check", take_answer_body, _ANSWER_BODIES, of_answer, _MARKS, 240, _SLOW),
        Subject("base32", take_base32, _TEXTS, (), _TYPED, OFFER_TEXT_CHARS),
        Subject("beacon's frame", take_envelope, _DATAGRAMS, wire, (b"LP\x01\0", b"LP\x01\x01"), DATAGRAM_BYTES),
        Subject("beacon, any datagram", take_datagram, _DATAGRAMS, wire, (b"LP\x01\0",), DATAGRAM_BYTES),
        Subject("beacon, open", take_open_datagram, _BODIES, wire, _MARKS, 296, _SLOW),
        Subject("beacon, behind the seal", take_sealed, _BODIES, wire, _MARKS, 280, _SLOW),
        Subject("beacon's body", take_beacon, _BODIES, wire, _MARKS, 296, _SLOW),
        Subject("facts, told", take_facts, _FACTS, (FactsError,), _MARKS, FACTS_COMPACT_BYTES, _SLOW),
        Subject("facts, as JSON", take_facts_json, tuple(map(_facts_json, _RUNS[:6])), (FactsError,),
                (b"null", b"-1", b"[", b"1e9", b'"\\u001b"'), 64 * 1024, _SLOW),
        Subject("report code, as pasted", take_report_code, _REPORTS, (FactsError,), (*_TYPED, b"LR:"),
                2 * REPORT_CODE_CHARS, _SLOW),
        Subject("report code, under its check", take_report_body, _FACTS, (FactsError,), _MARKS, 400, _SLOW),
        Subject("report, handed over", take_report, _handed_over(), (FactsError,),
                (b'"facts"', b'"run"', b"LR:", b"null", b"[", b"\n", b'"role"', b'"\\ud800"'), 64 * 1024, _SLOW),
        Subject("preamble", take_preamble, _PREAMBLES, wire, (b"LPAI",), 16),
        Subject("claims", take_claims, (CLAIMS.encode(),), wire, _MARKS),
        Subject("frames", take_stream, tuple(b"\x04" + b"".join(_FRAMES[at:]) for at in range(3)), (), _FRAMES),
        Subject("handshake, any type", take_any_message, _typed(MESSAGES), wire, _MARKS),
        Subject("payload, any type", take_any_payload, _typed(PAYLOADS), wire, _MARKS),
        *(
            Subject(f"handshake, {type(one).__name__}", partial(take_message, one.TYPE), (one.encode(),), wire, _MARKS)
            for one in MESSAGES
        ),
        *(
            Subject(
                f"payload, {kind.__name__}", partial(take_payload, kind.TYPE),
                tuple(one.encode() for one in PAYLOADS if type(one) is kind), wire, _MARKS, FRAME_BYTES,
            )
            for kind in dict.fromkeys(map(type, PAYLOADS))
        ),
    ]  # fmt: skip


_PREAMBLES: Final = (
    Preamble(CallKind.PAIR, Role.JOINER, dialled=True).encode(),
    Preamble(CallKind.SELF, Role.ISSUER, dialled=False).encode(),
)


def _typed(items: tuple[messages.Message, ...] | tuple[Payload, ...]) -> tuple[bytes, ...]:
    return tuple(bytes([one.TYPE]) + one.encode() for one in items)
