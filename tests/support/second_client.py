"""A second client of the protocol, written from docs/protocol.md and docs/payload.md alone.

    second_client.py host ADDRESS PORT [--send PATH ...] [--receive DIR]
    second_client.py join [--send PATH ...] [--receive DIR] [--keep FILE] < OFFER
    second_client.py meet ADDRESS PORT FILE [--send PATH ...] [--receive DIR]

It holds the pages against the package: where they part, it no longer pairs. So it imports nothing of localpair, and
what it does is what the pages say. It takes the straight way only: one TCP connection to an address in the offer,
no discovery. ``meet`` meets the device again with which ``join --keep FILE`` has paired. What happens is printed as
JSON lines.
"""

from __future__ import annotations

import argparse
import base64
import datetime as dt
import hashlib
import hmac
import json
import secrets
import socket
import ssl
import struct
import sys
import tempfile
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from second_client_files import Channel, ProtocolError, Reader, text, transfer
from second_client_offer import Address, Offer, parse_offer

HELLO, PROOF, IDENTITY, NOMINATE, APPROVE, COMMIT, RECORDED, REFUSE = 1, 2, 3, 4, 5, 6, 7, 9
ISSUER, JOINER = "issuer", "joiner"
ROLES = (ISSUER, JOINER)
GIVES, TAKES = 1, 2
CLAIMS = 132
PATIENCE_S = 20.0
FIELD = 2**255 - 19
EIGHTH = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
LOW_ORDER = {0, 1, FIELD - 1, EIGHTH, FIELD - EIGHTH}


def digest(*fields: bytes) -> bytes:
    """SHA-256 over each field preceded by its length."""
    whole = hashlib.sha256()
    for each in fields:
        whole.update(struct.pack(">Q", len(each)) + each)
    return whole.digest()


def mac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def extract(salt: bytes, material: bytes) -> bytes:
    return mac(salt, material)


def expand(key: bytes, info: bytes, length: int = 32) -> bytes:
    """HKDF-Expand (RFC 5869) of no more than one block."""
    return mac(key, info + b"\1")[:length]


def equal(ours: bytes, theirs: bytes, what: str) -> None:
    if not hmac.compare_digest(ours, theirs):
        raise ProtocolError(f"{what} is wrong")


# --- connections


def preambles(plain: socket.socket, role: str, secret: Secret, *, dialled: bool) -> bool:
    """Exchange the eight bytes in front of TLS, and show that the caller holds ``secret``; False where the peer wants
    something other than to pair.
    """
    ours = b"LPAI" + bytes([1, 1, ROLES.index(role), dialled])
    if dialled:
        plain.sendall(ours)
    theirs = take(plain, 8)
    if theirs[:5] != b"LPAI\1":
        raise ProtocolError("no preamble")
    if theirs[5] != 1 or theirs[6] == ROLES.index(role):
        return False
    if dialled:
        nonce = secrets.token_bytes(16)
        plain.sendall(nonce + secret.call_tag(role, ours, take(plain, 16), nonce))
        return True
    challenge = secrets.token_bytes(16)
    plain.sendall(ours + challenge)
    response = take(plain, 32)
    tag = secret.call_tag(ROLES[theirs[6]], theirs, challenge, response[:16])
    equal(tag, response[16:], "the caller's tag")
    return True


def take(plain: socket.socket, size: int) -> bytes:
    found = plain.recv(size, socket.MSG_WAITALL)
    if len(found) != size:
        raise ProtocolError("the connection ended before TLS")
    return found


@dataclass(frozen=True)
class Connection:
    """A TLS connection, before anybody has proven anything."""

    channel: Channel
    certificate: bytes  # SHA-256
    peer: Address
    role: str
    how: int  # we know the peer's address: 0 it dialled, 1 offer, 6 remembered


def dial(offer: Offer, secret: Secret) -> Connection:
    """The first address of ``offer`` that answers with its key."""
    for address, _ in offer.addresses:
        try:
            return call(address, offer.port, secret, offer.key_hash)
        except OSError:
            continue
    raise ProtocolError("no address of the offer answers")


def call(address: Address, port: int, secret: Secret, pin: bytes | None) -> Connection:
    """A connection as the joiner, to the key that the offer pins, or to anybody where a pair's key will tell."""
    plain = socket.create_connection((str(address), port), 2.0)
    plain.settimeout(PATIENCE_S)
    if not preambles(plain, JOINER, secret, dialled=True):
        raise ProtocolError("nobody who pairs")
    return _client_tls(plain, pin, address)


def _context(side: int) -> ssl.SSLContext:
    context = ssl.SSLContext(side)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _client_tls(plain: socket.socket, pin: bytes | None, address: Address) -> Connection:
    context = _context(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    tls = context.wrap_socket(plain)
    der = tls.getpeercert(binary_form=True) or b""
    if pin is not None:
        equal(key_hash(x509.load_der_x509_certificate(der)), pin, "the pinned key")
    return Connection(
        Channel(tls), hashlib.sha256(der).digest(), address, JOINER, how=6 if pin is None else 1
    )


def key_hash(certificate: x509.Certificate) -> bytes:
    spki = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(spki).digest()[:16]


class Server:
    """A listener with a certificate of its own."""

    def __init__(self, address: str, port: int) -> None:
        self.listener = socket.create_server((address, port))
        key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = _certificate(key)
        self.context = _context(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile() as file:
            file.write(_pem(key) + self.certificate.public_bytes(serialization.Encoding.PEM))
            file.flush()
            self.context.load_cert_chain(file.name)

    def accept(self, secret: Secret) -> Connection | None:
        """The next connection; None where it is not for pairing."""
        plain, (peer, *_) = self.listener.accept()
        plain.settimeout(PATIENCE_S)
        if not preambles(plain, ISSUER, secret, dialled=False):
            plain.close()
            return None
        tls = self.context.wrap_socket(plain, server_side=True)
        der = self.certificate.public_bytes(serialization.Encoding.DER)
        return Connection(Channel(tls), hashlib.sha256(der).digest(), ip_address(peer), ISSUER, how=0)


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([])
    began = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(began).not_valid_after(began + dt.timedelta(days=36500))
    return builder.sign(key, hashes.SHA256())


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


# --- the handshake


@dataclass(frozen=True)
class Claims:
    """What a device says of itself once the other one has proven the secret."""

    key: bytes
    code: bytes  # the issuer's commitment, the joiner's share
    flags: int


@dataclass(frozen=True)
class Secret:
    """What both sides hold before they talk: an offer's secret, or the key of a pair."""

    purpose: str  # offer, pair
    material: bytes

    def root(self) -> bytes:
        return extract(b"localpair v1 " + self.purpose.encode(), self.material)

    def call_tag(self, side: str, preamble: bytes, challenge: bytes, nonce: bytes) -> bytes:
        """What shows that ``side``, which calls, holds the secret."""
        key = expand(self.root(), side.encode() + b" call")
        return mac(key, digest(preamble, challenge, nonce))[:16]


@dataclass(frozen=True)
class Local:
    """What this side brings into a handshake.

    ``share`` is the same on every connection of one offer (issuer) or of one attempt (joiner), zeros for a pair.
    """

    device: Ed25519PrivateKey
    share: bytes
    flags: int

    def key(self) -> bytes:
        return self.device.public_key().public_bytes_raw()


@dataclass(frozen=True)
class Paired:
    """What the handshake leaves behind."""

    peer: Claims
    pair_key: bytes


class Handshake:
    """The handshake over one connection."""

    def __init__(self, link: Connection, secret: Secret, local: Local) -> None:
        self.link = link
        self.secret = secret
        self.local = local
        self.handshake_key = expand(secret.root(), b"handshake")
        self.hello_key = expand(secret.root(), b"hello")
        self.transcript = b""

    def run(self) -> Paired:
        """Until both sides have recorded the pair."""
        return self._join() if self.link.role == JOINER else self._issue()

    def _join(self) -> Paired:
        question = self._hello(JOINER, b"")
        self.link.channel.send(HELLO, question)
        answer = self._expect(HELLO)
        self._check_hello(answer, ISSUER, question)
        self._begin_transcript(answer, question)
        self.link.channel.send(PROOF, self._proof(JOINER))
        equal(self._proof(ISSUER), self._expect(PROOF), "the issuer's proof")
        peer = self._check_identity(self._expect(IDENTITY), ISSUER)
        self.link.channel.send(IDENTITY, self._identity(self.local.share))
        share = self._expect(NOMINATE)[:32]
        if self.secret.purpose == "pair":
            self.link.channel.send(RECORDED)
            return Paired(peer, self.secret.material)
        equal(self._commitment(peer.key, share), peer.code, "the issuer's commitment")
        show_code(self._short_code(peer.key, self.local.key(), share, self.local.share))
        self._approve()
        pair_key = self._expect(COMMIT)[:32]
        self.link.channel.send(RECORDED)
        self._expect(RECORDED)
        self.link.channel.send(RECORDED)
        return Paired(peer, pair_key)

    def _issue(self) -> Paired:
        question = self._expect(HELLO)
        self._check_hello(question, JOINER, b"")
        answer = self._hello(ISSUER, question)
        self.link.channel.send(HELLO, answer)
        self._begin_transcript(answer, question)
        equal(self._proof(JOINER), self._expect(PROOF), "the joiner's proof")
        self.link.channel.send(PROOF, self._proof(ISSUER))
        self.link.channel.send(IDENTITY, self._identity(self._commitment(self.local.key(), self.local.share)))
        peer = self._check_identity(self._expect(IDENTITY), JOINER)
        self.link.channel.send(NOMINATE, self.local.share)
        show_code(self._short_code(self.local.key(), peer.key, self.local.share, peer.code))
        self._approve()
        pair_key = secrets.token_bytes(32)
        self.link.channel.send(COMMIT, pair_key)
        self._expect(RECORDED)
        self.link.channel.send(RECORDED)
        self._expect(RECORDED)
        return Paired(peer, pair_key)

    def _approve(self) -> None:
        self.link.channel.send(APPROVE)
        self._expect(APPROVE)

    def _expect(self, wanted: int) -> bytes:
        kind, body = self.link.channel.receive()
        if kind != wanted:
            raise ProtocolError(f"{body[0] if kind == REFUSE else ''} frame {kind} where {wanted} was due")
        return body

    def _hello(self, role: str, question: bytes) -> bytes:
        nonce = secrets.token_bytes(32)
        return bytes([1, ROLES.index(role)]) + nonce + self._tag(role, question, nonce)

    def _tag(self, role: str, question: bytes, nonce: bytes) -> bytes:
        return mac(self.hello_key, digest(role.encode(), self.link.certificate, question, nonce))[:16]

    def _check_hello(self, body: bytes, role: str, question: bytes) -> None:
        equal(bytes([1, ROLES.index(role)]), body[:2], "version or role")
        equal(self._tag(role, question, body[2:34]), body[34:50], "the hello tag")

    def _begin_transcript(self, issuer: bytes, joiner: bytes) -> None:
        self.transcript = digest(
            b"localpair handshake v1", self.secret.purpose.encode(), self.link.certificate, issuer, joiner
        )

    def _proof(self, role: str) -> bytes:
        proving = extract(self.transcript, self.handshake_key)
        return mac(expand(proving, role.encode() + b" proof"), self.transcript)

    def _signed(self, role: str, claims: bytes) -> bytes:
        return digest(b"localpair v1 identity", role.encode(), self.transcript, claims)

    def _identity(self, code: bytes) -> bytes:
        peer = self.link.peer
        seen = bytes([peer.version]) + peer.packed
        claims = code + secrets.token_bytes(16) + bytes([self.local.flags]) + seen + bytes([self.link.how])
        claims = (claims + text("second client", 1)).ljust(CLAIMS, b"\0")
        return self.local.key() + self.local.device.sign(self._signed(self.link.role, claims)) + claims

    def _check_identity(self, unverified: bytes, role: str) -> Claims:
        key, signature, claims = unverified[:32], unverified[32:96], unverified[96:]
        if (
            int.from_bytes(key, "little") % 2**255 in LOW_ORDER
            or int.from_bytes(key, "little") % 2**255 >= FIELD
        ):
            raise ProtocolError("a device key that nobody need hold")
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, self._signed(role, claims))
        except InvalidSignature as error:
            raise ProtocolError("the signature is wrong") from error
        body = Reader(claims)
        code, _, flags = body.take(32), body.take(16), body.number(1)
        return Claims(key, code, flags)

    def _commitment(self, issuer_key: bytes, share: bytes) -> bytes:
        return digest(b"localpair v1 code commitment", self.link.certificate, issuer_key, share)

    def _short_code(
        self, issuer_key: bytes, joiner_key: bytes, issuer_share: bytes, joiner_share: bytes
    ) -> str:
        info = digest(self.link.certificate, issuer_key, joiner_key, issuer_share, joiner_share)
        number = int.from_bytes(expand(self.handshake_key, b"short code" + info, 8), "big") % 1_000_000
        return f"{number:06}"


# --- the command line


def say(**values: object) -> None:
    print(json.dumps(values), flush=True)


def device_id(key: bytes) -> str:
    return base64.b32encode(hashlib.sha256(key).digest()).decode().lower()[:16]


def host(options: argparse.Namespace) -> tuple[Connection, Paired]:
    """Show an offer and pair with the first device that holds it."""
    server = Server(options.address, options.port)
    local, secret = newcomer(options), Secret("offer", secrets.token_bytes(16))
    candidate = (ip_address(options.address), 24)
    pin = key_hash(server.certificate)
    say(offer=Offer(local.flags << 1, pin, secret.material, options.port, (candidate,)).text())
    while True:
        try:
            link = server.accept(secret)
            if link is not None:
                return link, Handshake(link, secret, local).run()
        except (OSError, ProtocolError) as error:
            say(lost=str(error))


def join(options: argparse.Namespace) -> tuple[Connection, Paired]:
    """Read an offer and pair with who made it."""
    offer, local = parse_offer(sys.stdin.read()), newcomer(options)
    secret = Secret("offer", offer.secret)
    link = dial(offer, secret)
    paired = Handshake(link, secret, local).run()
    if options.keep:
        device = local.device.private_bytes_raw()
        options.keep.write_text(json.dumps([device.hex(), paired.pair_key.hex(), paired.peer.key.hex()]))
    return link, paired


def meet(options: argparse.Namespace) -> tuple[Connection, Paired]:
    """Meet a device again with which this one has paired."""
    device, pair_key, peer_key = map(bytes.fromhex, json.loads(options.kept.read_text()))
    local = Local(Ed25519PrivateKey.from_private_bytes(device), bytes(32), identity_flags(options))
    secret = Secret("pair", pair_key)
    link = call(ip_address(options.address), options.port, secret, None)
    paired = Handshake(link, secret, local).run()
    equal(peer_key, paired.peer.key, "the device")
    return link, paired


def newcomer(options: argparse.Namespace) -> Local:
    """A device that nobody knows, with a new key."""
    local = Local(Ed25519PrivateKey.generate(), secrets.token_bytes(32), identity_flags(options))
    say(own_id=device_id(local.key()))
    return local


def identity_flags(options: argparse.Namespace) -> int:
    return (GIVES if options.send else 0) | (TAKES if options.receive else 0)


def show_code(code: str) -> None:
    say(code=code)


def parser() -> argparse.ArgumentParser:
    main_parser = argparse.ArgumentParser()
    commands = main_parser.add_subparsers(required=True)
    commands.add_parser("host").set_defaults(run=host)
    commands.add_parser("join").set_defaults(run=join)
    commands.add_parser("meet").set_defaults(run=meet)
    for name in ("host", "meet"):
        commands.choices[name].add_argument("address")
        commands.choices[name].add_argument("port", type=int)
    commands.choices["join"].add_argument("--keep", type=Path)
    commands.choices["meet"].add_argument("kept", type=Path)
    for each in commands.choices.values():
        each.add_argument("--send", type=Path, nargs="*", default=[])
        each.add_argument("--receive", type=Path)
    return main_parser


def main() -> None:
    options = parser().parse_args()
    link, paired = options.run(options)
    say(paired=device_id(paired.peer.key))
    resumed = transfer(
        link.channel, options.send, options.receive, peer_gives=bool(paired.peer.flags & GIVES)
    )
    say(done=True, resumed=resumed)


if __name__ == "__main__":
    main()
