"""The wire protocol as fixed values: what is here once, every compatible client must give too.

`PYTHONPATH=tests/support python tests/unit/wire/test_vectors.py` writes the files anew; a change of
them is a change of the protocol.
"""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

import places
from localpair.keys import (
    DeviceIdentity,
    Purpose,
    Role,
    SharedSecret,
    check_signature,
    device_id,
    digest,
)
from localpair.protocol.admission import respond
from localpair.protocol.handshake import Handshake, LocalSide, Nominated
from localpair.protocol.handshake_states import State
from localpair.protocol.keyring import OFFER, Keyring
from localpair.wire.answer import Answer
from localpair.wire.base32 import unspell
from localpair.wire.beacon import (
    Beacon,
    BeaconKind,
    Envelope,
    FactsPart,
    Part,
    Rendezvous,
    RendezvousStep,
    Seen,
)
from localpair.wire.messages import CallKind, Identity, Preamble, decode_message

FOLDER = places.VECTORS
SECRET = bytes(range(16))
PAIR_KEY = bytes(range(32, 64))
CERTIFICATE = bytes(range(64, 96))


def keys() -> dict[str, Any]:
    """The key schedule for both purposes."""
    transcript = digest(b"a transcript")
    made = {}
    for purpose, material in ((Purpose.OFFER, SECRET), (Purpose.PAIR, PAIR_KEY)):
        secret, theirs = (SharedSecret(material, purpose, side) for side in Role)
        proving = secret.proving(transcript)
        made[purpose.value] = {
            "material": material.hex(),
            "transcript": transcript.hex(),
            "tags_of_nonce_zero": {
                "issuer_udp": secret.tag(bytes(12), b"").hex(),
                "joiner_udp": theirs.tag(bytes(12), b"").hex(),
                "issuer_tcp": secret.tag(bytes(12), CERTIFICATE).hex(),
            },
            "sealed_hello_with_nonce_zero_and_header_x": {
                "issuer_udp": secret.seal(bytes(12), b"hello", b"x", b"").hex(),
                "joiner_udp": theirs.seal(bytes(12), b"hello", b"x", b"").hex(),
                "issuer_tcp": secret.seal(bytes(12), b"hello", b"x", CERTIFICATE).hex(),
            },
            "hello_tag_issuer": secret.hello_tag(Role.ISSUER, CERTIFICATE, b"question", bytes(32)).hex(),
            "hello_tag_joiner": secret.hello_tag(Role.JOINER, CERTIFICATE, b"", bytes(32)).hex(),
            "mac_of_a_refusal_by_the_issuer": secret.refusal_mac(
                Role.ISSUER, CERTIFICATE, b"question", 7
            ).hex(),
            "answer_check_of_hello": secret.answer_check(b"hello").hex(),
            "proof_issuer": proving.proof(Role.ISSUER).hex(),
            "proof_joiner": proving.proof(Role.JOINER).hex(),
            "short_code_of_shares_1_to_5": secret.short_code(*(bytes([n]) * 32 for n in range(1, 6))),
        }
    return {"digest_of_ab_and_c": digest(b"ab", b"c").hex(), **made}


def beacons() -> list[dict[str, Any]]:
    """The joiner's: one open, one sealed with every field in use, one of a rendezvous, and one carried over TCP."""
    beacon = Beacon(
        BeaconKind.ANSWER, Part.JOIN, bytes(range(16)), 7, 46_821, 46_822, 46_830, 1000,
        (ip_address("192.168.1.20"), ip_address("fd00::20")), Seen(ip_address("192.168.1.10"), 46_821),
        ip_address("fe80::1"), "Alice",
    )  # fmt: skip
    word = Rendezvous(RendezvousStep.READY, 3, (50_001, 50_002), 1_000_000, 250)
    meeting = replace(beacon, kind=BeaconKind.RENDEZVOUS, seen=None, called=None, rendezvous=word)
    told = FactsPart(bytes(range(8)), bytes(range(8, 16)), 0, 2, bytes(range(192)))
    facts = replace(beacon, kind=BeaconKind.FACTS, seen=None, called=None, addresses=(), label="", facts=told)
    confirm = replace(beacon, kind=BeaconKind.CONFIRM)
    ring, nonce = Keyring([(OFFER, SharedSecret(SECRET, Purpose.OFFER, Role.JOINER))]), bytes(range(12))
    return [
        {"mode": "open", "nonce": nonce.hex(), "body": beacon.encode().hex(),
         "datagram": Keyring().seal(None, beacon, nonce).hex()},
        {"mode": "sealed", "secret": SECRET.hex(), "nonce": nonce.hex(), "body": beacon.encode().hex(),
         "datagram": ring.seal(OFFER, beacon, nonce).hex()},
        {"mode": "sealed", "secret": SECRET.hex(), "nonce": nonce.hex(), "body": meeting.encode().hex(),
         "datagram": ring.seal(OFFER, meeting, nonce).hex()},
        {"mode": "sealed", "secret": SECRET.hex(), "nonce": nonce.hex(), "body": facts.encode().hex(),
         "datagram": ring.seal(OFFER, facts, nonce).hex()},
        {"mode": "sealed", "secret": SECRET.hex(), "nonce": nonce.hex(), "body": confirm.encode().hex(),
         "certificate_sha256": CERTIFICATE.hex(), "datagram": ring.seal(OFFER, confirm, nonce, CERTIFICATE).hex()},
    ]  # fmt: skip


def handshake() -> dict[str, Any]:
    """A whole handshake between two known devices, up to the short code, frame by frame."""
    alice, bob = (DeviceIdentity.from_private_bytes(bytes([n]) * 32) for n in (1, 2))
    address = ip_address("192.168.1.20")
    rings = [Keyring([(OFFER, SharedSecret(SECRET, Purpose.OFFER, Role.ISSUER))]) for _ in Role]
    issuer = Handshake(
        LocalSide(Role.ISSUER, alice, "Alice", bytes([3]) * 16, bytes([4]) * 32, bytes([9]) * 32,
                  gives=True),
        rings[0], CERTIFICATE, address,
    )  # fmt: skip
    joiner = Handshake(
        LocalSide(
            Role.JOINER, bob, "Bob", bytes([6]) * 16, bytes([7]) * 32, bytes([10]) * 32,
            takes=True, via="offer",
        ),
        rings[1], CERTIFICATE, ip_address("192.168.1.10"), OFFER,
    )  # fmt: skip
    frames, codes = [], []
    moved = True
    while moved:
        moved = False
        if issuer.state is State.VERIFIED:
            issuer.nominate()
        for sender, receiver, name in ((joiner, issuer, "joiner"), (issuer, joiner, "issuer")):
            for kind, body in sender.take_outgoing():
                frames.append({"from": name, "type": kind, "body": body.hex()})
                receiver.receive(kind, body)
                moved = True
            codes += [event.code for event in sender.take_events() if isinstance(event, Nominated)]
    return {
        "secret": SECRET.hex(),
        "certificate_sha256": CERTIFICATE.hex(),
        "issuer_private_key": alice.private_bytes().hex(),
        "joiner_private_key": bob.private_bytes().hex(),
        "issuer_device_id": device_id(alice.public),
        "joiner_device_id": device_id(bob.public),
        "frames": frames,
        "short_code": codes[0] if len(set(codes)) == 1 else codes,
    }


def preambles() -> list[dict[str, Any]]:
    """The eight bytes before TLS."""
    return [
        {"kind": kind.name.lower(), "role": role.value, "dialled": dialled,
         "bytes": Preamble(kind, role, dialled).encode().hex()}
        for kind in CallKind for role in Role for dialled in (True, False)
    ]  # fmt: skip


def calls() -> list[dict[str, Any]]:
    """What a caller says before TLS to the challenge that it is given."""
    challenge, nonce = bytes(range(96, 112)), bytes(range(112, 128))
    return [
        {"purpose": purpose.value, "material": material.hex(), "preamble": preamble.encode().hex(),
         "side": side.value, "challenge": challenge.hex(), "nonce": nonce.hex(),
         "response": respond(SharedSecret(material, purpose, side), preamble, challenge, nonce).hex()}
        for purpose, material, side, preamble in (
            (Purpose.OFFER, SECRET, Role.JOINER, Preamble(CallKind.PAIR, Role.JOINER, True)),
            (Purpose.OFFER, SECRET, Role.ISSUER, Preamble(CallKind.PAIR, Role.ISSUER, True)),
            (Purpose.PAIR, PAIR_KEY, Role.ISSUER, Preamble(CallKind.CONFIRM, Role.JOINER, True)),
        )
    ]  # fmt: skip


def answers() -> dict[str, Any]:
    """Answer codes to the offer of one secret: short, with other ports, and with the most that one may hold."""
    secret = SharedSecret(SECRET, Purpose.OFFER, Role.ISSUER)
    made = []
    for name, port, dial_port, *addresses in (
        ("one IPv4 address", 46_821, 46_830, "192.168.2.20"),
        ("the last ports of their ranges", 46_829, 46_839, "10.64.3.10"),
        ("no dial port", 46_822, 0, "172.20.10.4"),
        ("ports in full", 50_000, 1024, "192.168.2.20"),
        ("three addresses", 46_821, 46_830, "192.168.2.20", "10.0.0.7", "fd12::20"),
        ("IPv6 link-local alone", 46_821, 46_830, "fe80::1c2:3ff:fe04:506"),
    ):
        text = Answer(port, dial_port, tuple(map(ip_address, addresses))).text(secret)
        made.append(
            {"name": name, "port": port, "dial_port": dial_port, "addresses": addresses,
             "bytes": (unspell(text.removeprefix("LA:").replace("-", "")) or b"").hex(), "text": text}
        )  # fmt: skip
    return {"secret": SECRET.hex(), "answers": made}


FILES = {
    "keys": keys,
    "answers": answers,
    "beacons": beacons,
    "calls": calls,
    "handshake": handshake,
    "preambles": preambles,
}


@pytest.mark.parametrize("name", FILES)
def test_the_protocol_has_not_changed(name: str) -> None:
    assert FILES[name]() == json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def test_the_vectors_can_be_read_back() -> None:
    for entry in json.loads((FOLDER / "preambles.json").read_text(encoding="utf-8")):
        preamble = Preamble.decode(bytes.fromhex(entry["bytes"]))
        assert (preamble.kind.name.lower(), preamble.role, preamble.dialled) == (
            entry["kind"], entry["role"], entry["dialled"],
        )  # fmt: skip
    for entry in json.loads((FOLDER / "beacons.json").read_text(encoding="utf-8")):
        ring = Keyring(
            [(OFFER, SharedSecret(SECRET, Purpose.OFFER, Role.ISSUER))] if "secret" in entry else []
        )
        certificate = bytes.fromhex(entry.get("certificate_sha256", ""))
        _, beacon = ring.open(Envelope.decode(bytes.fromhex(entry["datagram"])), certificate)
        assert beacon.encode().hex() == entry["body"]


def test_the_vectors_signatures_hold() -> None:
    """Recomputed from the frames alone, as a stranger's client would."""
    vector = json.loads((FOLDER / "handshake.json").read_text(encoding="utf-8"))
    hellos = {frame["from"]: bytes.fromhex(frame["body"]) for frame in vector["frames"] if frame["type"] == 1}
    certificate = bytes.fromhex(vector["certificate_sha256"])
    transcript = digest(b"localpair handshake v1", b"offer", certificate, hellos["issuer"], hellos["joiner"])
    identities = [frame for frame in vector["frames"] if frame["type"] == Identity.TYPE]
    assert len(identities) == 2
    for frame in identities:
        identity = decode_message(frame["type"], bytes.fromhex(frame["body"]))
        assert isinstance(identity, Identity)
        role = Role(frame["from"])
        check_signature(identity.public_key, identity.signature, role, transcript, identity.claims)


if __name__ == "__main__":
    for file, make in FILES.items():
        (FOLDER / f"{file}.json").write_text(json.dumps(make(), indent=1) + "\n", encoding="utf-8")
