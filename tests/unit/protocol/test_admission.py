"""The challenge before TLS: who meets it, and what a response is worth elsewhere."""

from __future__ import annotations

import pytest

from localpair.keys import Purpose, Role, SharedSecret
from localpair.net.agent.admission import CallAdmission
from localpair.protocol.admission import CHALLENGE_BYTES, RESPONSE_BYTES, Call, respond
from localpair.protocol.keyring import OFFER, Keyring
from localpair.wire.messages import CallKind, Preamble

OURS, THEIRS = (SharedSecret(bytes(16), Purpose.OFFER, side) for side in (Role.ISSUER, Role.JOINER))
PREAMBLE = Preamble(CallKind.PAIR, Role.JOINER, True)
CHALLENGE, NONCE = bytes(CHALLENGE_BYTES), bytes(16)
RESPONSE = respond(THEIRS, PREAMBLE, CHALLENGE, NONCE)


def test_a_holder_of_the_secret_meets_the_challenge() -> None:
    assert len(RESPONSE) == RESPONSE_BYTES
    assert Call(PREAMBLE, CHALLENGE, RESPONSE).shows(OURS)


@pytest.mark.parametrize(
    "call",
    [
        Call(PREAMBLE, b"\1" + CHALLENGE[1:], RESPONSE),
        Call(Preamble(CallKind.PAIR, Role.ISSUER, True), CHALLENGE, RESPONSE),
        Call(PREAMBLE, CHALLENGE, respond(OURS, PREAMBLE, CHALLENGE, NONCE)),
        Call(Preamble(CallKind.CONFIRM, Role.JOINER, True), CHALLENGE, RESPONSE),
        Call(PREAMBLE, CHALLENGE, bytes(RESPONSE_BYTES)),
        Call(PREAMBLE, CHALLENGE, RESPONSE[:-1] + bytes([RESPONSE[-1] ^ 1])),
        Call(PREAMBLE, CHALLENGE, b"\1" + RESPONSE[1:]),
    ],
    ids=[
        "another connection",
        "another role",
        "reflected",
        "another kind",
        "made up",
        "changed",
        "another nonce",
    ],
)
def test_a_response_is_worth_nothing_for_anything_else(call: Call) -> None:
    assert not call.shows(OURS)


def test_a_response_shows_one_secret_only() -> None:
    call = Call(PREAMBLE, CHALLENGE, RESPONSE)
    assert not call.shows(SharedSecret(bytes(16), Purpose.PAIR, Role.ISSUER))
    assert not call.shows(SharedSecret(bytes(15) + b"\1", Purpose.OFFER, Role.ISSUER))


def test_the_same_challenge_gets_another_response_each_time() -> None:
    """Else whoever answers at a remembered address could tell two runs of a device by it."""
    responder = CallAdmission(Keyring([(OFFER, THEIRS)])).responder(OFFER)
    first, second = responder(PREAMBLE, CHALLENGE), responder(PREAMBLE, CHALLENGE)
    assert first[:16] != second[:16]
    assert first[16:] != second[16:]


def test_calls_to_oneself_are_known_by_a_secret_that_nobody_else_has() -> None:
    one, other = CallAdmission(Keyring()), CallAdmission(Keyring())
    preamble = Preamble(CallKind.SELF, Role.ISSUER, True)
    call = Call(preamble, CHALLENGE, one.meet_own(preamble, CHALLENGE))
    assert one.knows(call)
    assert not other.knows(call)


def test_who_holds_no_secret_or_no_more_responds_like_a_stranger() -> None:
    ring = Keyring([(OFFER, THEIRS)])
    admission = CallAdmission(ring)
    responder = admission.responder(OFFER)
    called = CallAdmission(Keyring([(OFFER, OURS)]))
    assert called.knows(Call(PREAMBLE, CHALLENGE, responder(PREAMBLE, CHALLENGE)))
    ring.retire(OFFER)
    for late in (responder, admission.responder(None)):
        response = late(PREAMBLE, CHALLENGE)
        assert len(response) == RESPONSE_BYTES
        assert not called.knows(Call(PREAMBLE, CHALLENGE, response))
