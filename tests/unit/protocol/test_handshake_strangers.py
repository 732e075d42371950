"""What a handshake says to strangers, and what it believes: tags and refusals are good on one connection only."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from localpair.errors import Refusal, RefusedError, WireError
from localpair.keys import MAC_BYTES, DeviceIdentity, Purpose, Role, SharedSecret, digest
from localpair.protocol.handshake import Handshake, LocalSide, Refused
from localpair.protocol.handshake_states import State
from localpair.protocol.keyring import OFFER, Keyring, StrangerError
from localpair.wire.messages import REASONS, Hello, Proof, Refuse

ADDRESS = ip_address("192.168.1.20")
HERE, ELSEWHERE = bytes([1]) * 32, bytes([2]) * 32  # fingerprints of two devices' TLS certificates
MATERIAL = b"p" * 32
PAIR = "their pair"
_COUNT = iter(range(1, 1000))


def ring(material: bytes = MATERIAL, name: str = PAIR, purpose: Purpose = Purpose.PAIR) -> Keyring:
    return Keyring([(name, SharedSecret(material, purpose, Role.ISSUER))])


def side(role: Role) -> LocalSide:
    mark = digest(next(_COUNT).to_bytes(4, "big"))
    return LocalSide(role, DeviceIdentity.from_private_bytes(mark), "a name", mark[:-17:-1], mark, mark)


def issuer(keyring: Keyring, certificate: bytes = HERE) -> Handshake:
    return Handshake(side(Role.ISSUER), keyring, certificate, ADDRESS)


def joiner(keyring: Keyring, certificate: bytes = HERE, name: str = PAIR) -> Handshake:
    return Handshake(side(Role.JOINER), keyring, certificate, ADDRESS, name)


def hear(receiver: Handshake, sender: Handshake) -> Exception | None:
    """Give everything that the sender has to say to the receiver; what that raised, as a connection would answer it."""
    try:
        for kind, body in sender.take_outgoing():
            receiver.receive(kind, body)
    except RefusedError as error:
        receiver.refuse(error.reason)
        return error
    except StrangerError as error:
        receiver.refuse(Refusal.WRONG_SECRET)
        return error
    return None


def frames(handshake: Handshake) -> list[tuple[int, bytes]]:
    return handshake.take_outgoing()


# -- tags -------------------------------------------------------------------------------------------------------


def test_a_hello_names_the_secret_on_its_own_connection_only() -> None:
    """A stranger is the TLS server of a device that looks for its pair, and brings its hello to the real one."""
    looking = joiner(ring(), ELSEWHERE)
    listening = issuer(ring())
    assert isinstance(hear(listening, looking), RefusedError)
    assert [kind for kind, _ in frames(listening)] == [Refuse.TYPE]


def test_a_hello_of_one_role_names_nothing_in_the_other() -> None:
    """Reflected: what a joiner said, changed into an issuer's word, and the other way round."""
    looking = joiner(ring())
    ((kind, body),) = frames(looking)
    with pytest.raises(WireError, match="both sides are joiner"):
        looking.receive(kind, body)
    said = Hello.decode(body)
    with pytest.raises(StrangerError):
        looking.receive(Hello.TYPE, Hello(Role.ISSUER, said.nonce, said.tag).encode())
    assert not frames(looking), "it proves nothing to a stranger"


def test_an_issuer_s_hello_answers_one_question_only() -> None:
    first, listening = joiner(ring()), issuer(ring())
    assert hear(listening, first) is None
    ((kind, body),) = frames(listening)
    again = joiner(ring())
    frames(again)
    with pytest.raises(StrangerError):
        again.receive(kind, body)


def test_a_hello_holds_nothing_that_two_connections_have_in_common() -> None:
    local = side(Role.JOINER)
    bodies = [frames(Handshake(local, ring(), one, ADDRESS, PAIR))[0][1] for one in (HERE, ELSEWHERE)]
    assert local.instance not in bodies[0]
    tags = [Hello.decode(body).tag for body in bodies]
    assert tags[0] != tags[1], "even where the nonce is the same"
    assert len(bodies[0]) == 2 + 32 + MAC_BYTES


# -- one answer for all strangers -------------------------------------------------------------------------------


def unknown(listening: Handshake) -> None:
    hear(listening, joiner(ring(b"q" * 32)))


def replayed(listening: Handshake) -> None:
    hear(listening, joiner(ring(), ELSEWHERE))


def made_up(listening: Handshake) -> None:
    with pytest.raises(RefusedError) as refused:
        listening.receive(Hello.TYPE, Hello(Role.JOINER, bytes(32), bytes(MAC_BYTES)).encode())
    listening.refuse(refused.value.reason)


def of_a_pair_that_was_forgotten(listening: Handshake) -> None:
    gone = ring(b"f" * 32)
    hear(listening, joiner(gone))


@pytest.mark.parametrize(
    "keyring",
    [ring(), Keyring(), ring(b"o" * 16, OFFER, Purpose.OFFER)],
    ids=["listens", "has nothing", "hosts"],
)
def test_all_strangers_hear_one_and_the_same(keyring: Keyring) -> None:
    answers = []
    for stranger in (unknown, made_up, of_a_pair_that_was_forgotten, replayed):
        listening = issuer(keyring)
        stranger(listening)
        ((kind, body),) = frames(listening)
        answers.append((kind, len(body), body[0], listening.state))
    assert set(answers) == {(Refuse.TYPE, 1 + MAC_BYTES, REASONS.index(Refusal.WRONG_SECRET), State.ENDED)}


def test_a_wrong_proof_is_answered_like_a_wrong_tag() -> None:
    listening, looking = issuer(ring()), joiner(ring())
    hear(listening, looking)
    frames(listening)
    with pytest.raises(RefusedError) as refused:
        listening.receive(Proof.TYPE, bytes(32))
    listening.refuse(refused.value.reason)
    ((kind, body),) = frames(listening)
    stranger = issuer(ring())
    unknown(stranger)
    assert (kind, len(body), body[0]) == (Refuse.TYPE, *next((len(b), b[0]) for _, b in frames(stranger)))


def test_every_secret_is_asked_also_after_one_was_found() -> None:
    """Else the time to the answer would tell how many pairs there are, and which one it was."""
    asked: list[SharedSecret] = []

    def names(secret: SharedSecret) -> bool:
        asked.append(secret)
        return True

    keyring = ring()
    keyring.put("another", SharedSecret(b"a" * 32, Purpose.PAIR, Role.ISSUER))
    keyring.put(OFFER, SharedSecret(b"o" * 16, Purpose.OFFER, Role.ISSUER))
    keyring.retire(OFFER)
    keyring.revoke([SharedSecret(b"r" * 32, Purpose.PAIR, Role.ISSUER)])
    assert keyring.meant(names).name == PAIR
    assert len(asked) == 4


# -- refusals ---------------------------------------------------------------------------------------------------


def refusal_of(listening: Handshake, looking: Handshake) -> Refused:
    """What the looking one makes of the answer to its hello."""
    hear(listening, looking)
    hear(looking, listening)
    (event,) = looking.take_events()
    assert isinstance(event, Refused)
    return event


def test_whoever_names_an_ended_offer_is_told_so_by_its_holder() -> None:
    keyring = ring(b"o" * 16, OFFER, Purpose.OFFER)
    keyring.retire(OFFER)
    looking = joiner(ring(b"o" * 16, OFFER, Purpose.OFFER), name=OFFER)
    assert refusal_of(issuer(keyring), looking) == Refused(Refusal.EXPIRED, proven=True)


def test_whoever_names_a_revoked_pair_is_told_so_by_its_holder() -> None:
    keyring = Keyring()
    keyring.revoke([SharedSecret(MATERIAL, Purpose.PAIR, Role.ISSUER)])
    assert refusal_of(issuer(keyring), joiner(ring())) == Refused(Refusal.REVOKED, proven=True)


def test_whoever_knows_nothing_of_the_secret_proves_nothing() -> None:
    assert refusal_of(issuer(Keyring()), joiner(ring())) == Refused(Refusal.WRONG_SECRET, proven=False)


@pytest.mark.parametrize("reason", [Refusal.REVOKED, Refusal.UNKNOWN_DEVICE, Refusal.EXPIRED, None])
def test_a_made_up_refusal_proves_nothing(reason: Refusal | None) -> None:
    looking = joiner(ring())
    looking.receive(Refuse.TYPE, Refuse(REASONS.index(reason), bytes(MAC_BYTES)).encode())
    assert looking.take_events() == [Refused(reason, proven=False)]


def proven_refusal() -> tuple[Handshake, bytes]:
    """Whoever looks, and what its peer has really refused it with; nothing of it was delivered yet."""
    keyring, looking = Keyring(), joiner(ring())
    keyring.revoke([SharedSecret(MATERIAL, Purpose.PAIR, Role.ISSUER)])
    listening = issuer(keyring)
    hear(listening, looking)
    ((_, body),) = frames(listening)
    return looking, body


def test_a_refusal_holds_on_its_own_connection_and_for_its_own_reason_only() -> None:
    _, elsewhere = proven_refusal()
    looking, body = proven_refusal()
    other_reason = bytes([REASONS.index(Refusal.EXPIRED)]) + body[1:]
    for forged in (elsewhere, other_reason):
        other = joiner(ring())
        other.receive(Refuse.TYPE, forged)
        assert other.take_events() == [Refused(Refuse.decode(forged).reason, proven=False)]
    looking.receive(Refuse.TYPE, body)
    assert looking.take_events() == [Refused(Refusal.REVOKED, proven=True)]


def test_a_side_s_own_refusal_that_comes_back_proves_nothing() -> None:
    listening, looking = issuer(ring()), joiner(ring())
    hear(listening, looking)
    hear(looking, listening)
    looking.refuse(Refusal.NOT_APPROVED)
    body = next(body for kind, body in frames(looking) if kind == Refuse.TYPE)
    again = joiner(ring())
    again.receive(Refuse.TYPE, body)
    assert again.take_events() == [Refused(Refusal.NOT_APPROVED, proven=False)]
    listening.receive(Refuse.TYPE, body)
    assert listening.take_events() == [Refused(Refusal.NOT_APPROVED, proven=True)]


def test_a_reason_of_a_later_version_is_believed_where_it_is_proven() -> None:
    looking = joiner(ring())
    ((_, hello),) = frames(looking)
    mac = SharedSecret(MATERIAL, Purpose.PAIR, Role.ISSUER).refusal_mac(Role.ISSUER, HERE, hello, 200)
    looking.receive(Refuse.TYPE, Refuse(200, mac).encode())
    assert looking.take_events() == [Refused(Refusal.CANCELLED, proven=True)]
