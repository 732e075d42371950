"""Two handshakes joined back to back: what each side sends is what the other receives."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localpair.errors import LocalpairError, Refusal, RefusedError, WireError
from localpair.keys import DeviceIdentity, Purpose, Role, SharedSecret, check_signature, digest
from localpair.protocol.handshake import (
    ApprovalNeeded,
    CommitNeeded,
    Complete,
    Handshake,
    HandshakeEvent,
    LocalSide,
    Nominated,
    RecordPaired,
    RecordUnconfirmed,
    Refused,
    Verified,
)
from localpair.protocol.handshake_states import RECEIVED, State
from localpair.protocol.keyring import OFFER, Keyring
from localpair.wire.messages import (
    Approve,
    Claims,
    Commit,
    Hello,
    Identity,
    Nominate,
    Proof,
    Recorded,
    decode_message,
)

ADDRESS = ip_address("192.168.1.20")
CERTIFICATE = bytes(range(32))
SECRET = b"0123456789abcdef"
PAIR_KEY = bytes(32)
CHANGES: tuple[dict[str, Any], ...] = (
    {"code": bytes([1]) * 32}, {"instance": bytes([1]) * 16}, {"called": ip_address("fd00::1")}, {"gives": True},
    {"takes": True}, {"via": "offer"}, {"resumes": True}, {"label": "é" * 32},
)  # fmt: skip
ALICE = DeviceIdentity.from_private_bytes(bytes([1]) * 32)
BOB = DeviceIdentity.from_private_bytes(bytes([2]) * 32)


def side(
    role: Role, identity: DeviceIdentity, *, number: int = 0, gives: bool = False, takes: bool = False
) -> LocalSide:
    """A side whose random values are numbers: every test is repeatable."""
    mark = 2 * number + (role is Role.JOINER) + 1
    return LocalSide(
        role,
        identity,
        f"{role}'s label",
        bytes([mark]) * 16,
        bytes([mark]) * 32,
        bytes([mark]) * 32,
        gives=gives,
        takes=takes,
    )  # fmt: skip


def ring(material: bytes = SECRET, purpose: Purpose = Purpose.OFFER, name: str = OFFER) -> Keyring:
    return Keyring([(name, SharedSecret(material, purpose, Role.ISSUER))])


@dataclass
class Pair:
    """An issuer and a joiner, the frames between them and everything that happened, in order."""

    issuer: Handshake
    joiner: Handshake
    events: list[tuple[Role, HandshakeEvent]] = field(default_factory=list)
    sent: list[tuple[Role, int, bytes]] = field(default_factory=list)
    wire: deque[tuple[Role, int, bytes]] = field(default_factory=deque)

    def collect(self) -> None:
        for role, one in ((Role.ISSUER, self.issuer), (Role.JOINER, self.joiner)):
            for kind, body in one.take_outgoing():
                self.sent.append((role, kind, body))
                self.wire.append((role, kind, body))
            self.events.extend((role, event) for event in one.take_events())

    def run(self) -> None:
        """Carry frames until nothing moves."""
        self.collect()
        while self.wire:
            role, kind, body = self.wire.popleft()
            (self.joiner if role is Role.ISSUER else self.issuer).receive(kind, body)
            self.collect()

    def of(self, role: Role, kind: type[HandshakeEvent]) -> list[HandshakeEvent]:
        return [event for who, event in self.events if who is role and isinstance(event, kind)]

    def finish(self) -> None:
        """Nominate, approve, commit and record, as two cooperative drivers would."""
        self.run()
        self.issuer.nominate()
        done = 0
        while True:
            self.run()
            fresh, done = self.events[done:], len(self.events)
            if not fresh:
                return
            for role, event in fresh:
                one = self.issuer if role is Role.ISSUER else self.joiner
                match event:
                    case ApprovalNeeded():
                        one.approve()
                    case CommitNeeded():
                        one.commit(PAIR_KEY)
                    case RecordUnconfirmed() | RecordPaired():
                        one.recorded()


def pair(
    *, joiner_ring: Keyring | None = None, issuer_ring: Keyring | None = None, certificate: bytes = CERTIFICATE,
    issuer_gives: bool = False, issuer_takes: bool = False, joiner_gives: bool = False,
    joiner: DeviceIdentity = BOB, secret: str = OFFER,
) -> Pair:  # fmt: skip
    return Pair(
        Handshake(
            side(Role.ISSUER, ALICE, gives=issuer_gives, takes=issuer_takes),
            issuer_ring or ring(),
            CERTIFICATE,
            ADDRESS,
        ),
        Handshake(
            side(Role.JOINER, joiner, gives=joiner_gives), joiner_ring or ring(), certificate, ADDRESS, secret
        ),
    )


def test_both_sides_end_with_the_same_pair() -> None:
    both = pair()
    both.finish()
    assert both.issuer.state is both.joiner.state is State.DONE
    (issuer_saw,), (joiner_saw,) = both.of(Role.ISSUER, Verified), both.of(Role.JOINER, Verified)
    assert isinstance(issuer_saw, Verified)
    assert isinstance(joiner_saw, Verified)
    assert (issuer_saw.public_key, joiner_saw.public_key) == (BOB.public, ALICE.public)
    codes = {event.code for _, event in both.events if isinstance(event, Nominated)}
    assert len(codes) == 1
    assert re.fullmatch(r"\d{3} \d{3}", codes.pop())
    assert issuer_saw.label == "joiner's label"
    keys = [event.pair_key for _, event in both.events if isinstance(event, RecordUnconfirmed)]
    assert keys == [PAIR_KEY, PAIR_KEY]


def test_joiner_records_first_and_nobody_is_paired_before_both_have_recorded() -> None:
    both = pair()
    both.finish()
    records = [
        (role, type(event))
        for role, event in both.events
        if isinstance(event, RecordUnconfirmed | RecordPaired)
    ]
    assert records == [
        (Role.JOINER, RecordUnconfirmed),
        (Role.ISSUER, RecordUnconfirmed),
        (Role.JOINER, RecordPaired),
        (Role.ISSUER, RecordPaired),
    ]


@pytest.mark.parametrize(
    ("issuer_gives", "issuer_takes", "joiner_gives", "asked"),
    [
        (False, False, False, {Role.ISSUER}),
        (True, False, False, {Role.ISSUER}),
        (False, True, True, {Role.JOINER}),
        (True, True, True, {Role.ISSUER, Role.JOINER}),
        (False, True, False, {Role.ISSUER}),
        (False, False, True, {Role.ISSUER, Role.JOINER}),
    ],
    ids=[
        "nobody gives",
        "issuer gives",
        "joiner gives to a taker",
        "both",
        "taker, nothing given",
        "unwanted gift",
    ],
)
def test_who_is_asked(issuer_gives: bool, issuer_takes: bool, joiner_gives: bool, asked: set[Role]) -> None:
    """A joiner that merely says it will give something does not spare a host its question."""
    both = pair(issuer_gives=issuer_gives, issuer_takes=issuer_takes, joiner_gives=joiner_gives)
    both.run()
    both.issuer.nominate()
    both.run()
    assert {role for role, event in both.events if isinstance(event, ApprovalNeeded)} == asked
    assert not both.of(Role.JOINER, RecordUnconfirmed), "nothing is recorded before the persons have agreed"


def test_nothing_that_identifies_a_device_is_sent_before_the_secret_is_proven() -> None:
    both = pair(joiner_ring=ring(b"another secret!!"))
    with pytest.raises(RefusedError) as refused:
        both.run()
    assert refused.value.reason is Refusal.WRONG_SECRET
    for _, _, body in both.sent:
        assert ALICE.public not in body
        assert BOB.public not in body
        assert b"label" not in body


def test_a_host_that_merely_knows_the_tag_cannot_prove_the_secret() -> None:
    """An attacker replays the joiner's hello to learn something: without the secret the proof fails."""
    honest = pair()
    honest.run()
    hello = next(body for role, kind, body in honest.sent if role is Role.JOINER and kind == Hello.TYPE)
    issuer = Handshake(side(Role.ISSUER, ALICE, number=7), ring(), CERTIFICATE, ADDRESS)
    issuer.receive(Hello.TYPE, hello)
    issuer.take_outgoing()
    replayed = next(body for role, kind, body in honest.sent if role is Role.JOINER and kind == Proof.TYPE)
    with pytest.raises(RefusedError) as refused:
        issuer.receive(Proof.TYPE, replayed)
    assert refused.value.reason is Refusal.WRONG_SECRET


@pytest.mark.parametrize("kind", [Hello.TYPE, Proof.TYPE, Identity.TYPE])
def test_every_message_of_an_old_session_is_useless_in_a_new_one(kind: int) -> None:
    """Checklist 10: replay of each message; only the hello is accepted, and then the old proof is not."""
    honest = pair()
    honest.finish()
    old = [(k, body) for role, k, body in honest.sent if role is Role.JOINER]
    issuer = Handshake(side(Role.ISSUER, ALICE, number=9), ring(), CERTIFICATE, ADDRESS)
    replayed = old if kind == Hello.TYPE else [entry for entry in old if entry[0] == kind]

    def replay() -> None:
        for k, body in replayed:
            issuer.receive(k, body)

    with pytest.raises(LocalpairError):
        replay()
    assert issuer.state not in (State.VERIFIED, State.DONE)


def test_a_message_reflected_to_its_sender_is_refused() -> None:
    both = pair()
    both.collect()
    (_, kind, body) = both.sent[0]
    with pytest.raises(WireError, match="both sides are joiner"):
        both.joiner.receive(kind, body)


def test_the_certificate_is_part_of_what_is_proven() -> None:
    """A man in the middle with his own certificate: both sides hold the secret, and the proof still fails."""
    both = pair(certificate=bytes(32))
    with pytest.raises(RefusedError) as refused:
        both.run()
    assert refused.value.reason is Refusal.WRONG_SECRET


def test_keys_for_an_offer_and_for_a_pair_never_coincide() -> None:
    both = pair(joiner_ring=ring(SECRET, Purpose.PAIR))
    with pytest.raises(RefusedError):
        both.run()


def test_an_old_offer_is_called_expired_and_a_strange_one_wrong() -> None:
    issuer_ring = ring()
    issuer_ring.retire(OFFER)
    issuer_ring.put(OFFER, SharedSecret(b"the next secret.", Purpose.OFFER, Role.ISSUER))
    with pytest.raises(RefusedError) as refused:
        pair(issuer_ring=issuer_ring).run()
    assert refused.value.reason is Refusal.EXPIRED


def test_a_clone_of_this_device_is_named() -> None:
    with pytest.raises(RefusedError) as refused:
        pair(joiner=ALICE).run()
    assert refused.value.reason is Refusal.SELF
    assert refused.value.hint is not None


def test_this_very_process_answering_itself_is_named() -> None:
    joiner_side = side(Role.JOINER, BOB)
    issuer_side = LocalSide(Role.ISSUER, ALICE, "", joiner_side.instance, bytes(32), bytes(32))
    both = Pair(
        Handshake(issuer_side, ring(), CERTIFICATE, ADDRESS),
        Handshake(joiner_side, ring(), CERTIFICATE, ADDRESS, OFFER),
    )
    with pytest.raises(RefusedError) as refused:
        both.run()
    assert refused.value.reason is Refusal.SELF


def test_identity_of_somebody_else_in_the_middle_of_a_handshake_is_refused() -> None:
    """Checklist 12: after the proof, an identity that did not sign this transcript."""
    both = pair()
    both.collect()
    while both.wire:
        role, kind, body = both.wire.popleft()
        if role is Role.JOINER and kind == Identity.TYPE:
            identity = decode_message(kind, body)
            assert isinstance(identity, Identity)
            forged = Identity(ALICE.public, identity.signature, identity.claims).encode()
            with pytest.raises(RefusedError) as refused:
                both.issuer.receive(kind, forged)
            assert refused.value.reason is Refusal.WRONG_KEY
            return
        (both.joiner if role is Role.ISSUER else both.issuer).receive(kind, body)
        both.collect()
    pytest.fail("the joiner never sent its identity")


def test_a_changed_claim_breaks_the_signature() -> None:
    transcript, claims = digest(b"t"), Claims(bytes(32), bytes(16), ADDRESS, label="Bob")
    signature = BOB.sign(Role.JOINER, transcript, claims.encode())
    check_signature(BOB.public, signature, Role.JOINER, transcript, claims.encode())
    for role, said in (
        (Role.ISSUER, claims),
        *((Role.JOINER, replace(claims, **change)) for change in CHANGES),
    ):
        with pytest.raises(RefusedError):
            check_signature(BOB.public, signature, role, transcript, said.encode())


def test_no_name_and_no_claim_is_known_by_its_length() -> None:
    lengths = {len(replace(Claims(bytes(32), bytes(16), ADDRESS), **change).encode()) for change in CHANGES}
    assert lengths == {Claims.BYTES}


def test_paired_devices_meet_again_without_asking_anybody() -> None:
    rings = [ring(bytes(32), Purpose.PAIR, "them") for _ in range(2)]
    both = pair(issuer_ring=rings[0], joiner_ring=rings[1], secret="them")
    both.finish()
    assert both.issuer.state is both.joiner.state is State.DONE
    assert not [event for _, event in both.events if isinstance(event, ApprovalNeeded | RecordUnconfirmed)]
    assert len(both.of(Role.ISSUER, Complete)) == len(both.of(Role.JOINER, Complete)) == 1


def test_a_refusal_reaches_the_other_side_in_every_state() -> None:
    for steps in range(20):
        both = pair()
        both.collect()
        for _ in range(steps):
            if not both.wire:
                break
            role, kind, body = both.wire.popleft()
            (both.joiner if role is Role.ISSUER else both.issuer).receive(kind, body)
            both.collect()
        both.joiner.refuse(Refusal.CANCELLED)
        both.wire.clear()
        both.run()
        told = steps > 1  # before that the joiner does not know whom it speaks with
        reason = Refusal.CANCELLED if told else Refusal.WRONG_SECRET
        assert both.of(Role.ISSUER, Refused) == [Refused(reason, proven=told)]
        assert both.issuer.state is both.joiner.state is State.ENDED


def test_losing_the_race_is_no_refusal() -> None:
    both = pair()
    both.run()
    both.issuer.refuse(None)
    both.run()
    assert both.of(Role.JOINER, Refused) == [Refused(None, proven=True)]


def test_impatience_is_refused() -> None:
    """A peer that says RECORDED twice, or before anything was committed, breaks the protocol."""
    both = pair()
    both.run()
    both.issuer.nominate()
    both.run()
    both.issuer.approve()
    both.run()
    with pytest.raises(WireError):
        both.issuer.receive(Recorded.TYPE, b"")
    both.issuer.commit(PAIR_KEY)
    both.issuer.receive(Recorded.TYPE, b"")
    with pytest.raises(WireError):
        both.issuer.receive(Recorded.TYPE, b"")


def test_a_commit_before_the_approvals_is_refused() -> None:
    both = pair(joiner_gives=True)
    both.run()
    both.issuer.nominate()
    both.run()
    assert both.joiner.state is State.APPROVAL
    with pytest.raises(WireError, match="Commit does not belong in state approval"):
        both.joiner.receive(Commit.TYPE, Commit(PAIR_KEY).encode())


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("role", list(Role))
def test_every_message_that_the_table_does_not_name_is_refused(role: Role, state: State) -> None:
    bodies = {
        Hello: Hello(role.other, bytes(32), bytes(16)).encode(),
        Proof: bytes(32), Identity: bytes(129), Nominate: bytes(32), Approve: b"", Commit: bytes(32), Recorded: b"",
    }  # fmt: skip
    allowed = RECEIVED.get((role, state), {})
    for message, body in bodies.items():
        if message in allowed:
            continue
        both = pair()
        one = both.issuer if role is Role.ISSUER else both.joiner
        one.state = state
        with pytest.raises(WireError):
            one.receive(message.TYPE, body)


def test_the_joiner_cannot_nominate() -> None:
    both = pair()
    both.run()
    with pytest.raises(ValueError, match="not possible for the joiner"):
        both.joiner.nominate()
    assert not both.of(Role.JOINER, Nominated)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.binary(max_size=300)), max_size=6), st.sampled_from(list(Role))
)
def test_garbage_gives_one_error_and_never_a_verified_peer(
    frames: list[tuple[int, bytes]], role: Role
) -> None:
    both = pair()
    one = both.issuer if role is Role.ISSUER else both.joiner
    try:
        for kind, body in frames:
            one.receive(kind, body)
    except LocalpairError:
        pass
    assert not [event for event in one.take_events() if isinstance(event, Verified)]


def test_no_secret_stands_in_any_representation() -> None:
    both = pair()
    both.finish()
    shown = repr(
        (
            both.issuer,
            both.joiner,
            both.events,
            ring(),
            ALICE,
            SharedSecret(SECRET, Purpose.OFFER, Role.ISSUER),
        )
    )
    for secret in (SECRET, PAIR_KEY, ALICE.private_bytes()):
        assert repr(secret)[2:-1] not in shown
        assert secret.hex() not in shown
