"""Keys: the device's identity, the session certificate, and everything derived from a shared secret.

The only module that imports ``cryptography``. A check raises; it never returns False.

Key schedule (docs/protocol.md, "Keys"); ``material`` is the offer's secret or a pair's key::

    root       = HKDF-Extract(salt = "localpair v1 " + purpose, material)
    tag key    = HKDF-Expand(root, side + " beacon tag")      beacon key = HKDF-Expand(root, side + " beacon seal")
    answer key = HKDF-Expand(root, "answer code")     call key   = HKDF-Expand(root, side + " call")
    hello key  = HKDF-Expand(root, "hello")           refusal key = HKDF-Expand(root, "refusal")
    mark key   = HKDF-Expand(root, "later run")
    proving    = HKDF-Extract(salt = transcript, HKDF-Expand(root, "handshake"))
    proof key  = HKDF-Expand(proving, role + " proof")
    short code = HKDF-Expand(HKDF-Expand(root, "handshake"), "short code" + shares) mod 1,000,000

Sources: RFC 5869 (HKDF), RFC 5116 (AEAD), RFC 8032 (Ed25519), RFC 5280 (certificates).
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
)

from localpair.dataclass import dataclass
from localpair.errors import Refusal, RefusedError, StateError, WireError
from localpair.limits import ANSWER_CODE_CHECK_BYTES, EARLIER_OFFERS, KEY_HASH_BYTES

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

HASH_BYTES = 32
BEACON_NONCE_BYTES = 12
BEACON_TAG_BYTES = 8
MAC_BYTES = 16
SEAL_OVERHEAD_BYTES = 16
_MARKS_OID = x509.ObjectIdentifier("2.25.112218977639613837564307861013337504564")  # a UUID's arc (X.667)
_DEVICE_ID_CHARS = 16
_FIELD_PRIME = 2**255 - 19
# The y of the eight points of edwards25519 whose order divides 8: of order 4, 1, 2, and twice two of order 8.
_LOW_ORDER_Y = frozenset(
    {
        0,
        1,
        _FIELD_PRIME - 1,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    }
)


class Role(StrEnum):
    """A side's part in the pairing. The issuer shows the offer and is the TLS server; the joiner reads it."""

    ISSUER = "issuer"
    JOINER = "joiner"

    @property
    def other(self) -> Role:
        """The peer's role."""
        return Role.JOINER if self is Role.ISSUER else Role.ISSUER


class Purpose(StrEnum):
    """What a shared secret is for; keys for different purposes never coincide."""

    OFFER = "offer"
    PAIR = "pair"


def random_bytes(count: int) -> bytes:
    """``count`` bytes from the system's generator: the only source of randomness in localpair."""
    return os.urandom(count)


def digest(*fields: bytes) -> bytes:
    """SHA-256 over the fields, each preceded by its length in 8 bytes, so that no two lists collide."""
    state = hashlib.sha256()
    for item in fields:
        state.update(len(item).to_bytes(8, "big"))
        state.update(item)
    return state.digest()


def device_id(public_key: bytes) -> str:
    """The name of a device on screens and in the store: 80 bits of its key's hash, base32, lower case."""
    return base64.b32encode(hashlib.sha256(public_key).digest()).decode("ascii")[:_DEVICE_ID_CHARS].lower()


def _extract(salt: bytes, material: bytes) -> bytes:
    return hmac.digest(salt, material, "sha256")


def _expand(key: bytes, info: bytes, length: int = HASH_BYTES) -> bytes:
    return HKDFExpand(hashes.SHA256(), length, info).derive(key)


class DeviceIdentity:
    """The long-term Ed25519 key of a device. It signs transcripts and never leaves the device."""

    __slots__ = ("_private", "public")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public: bytes = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def __repr__(self) -> str:
        return f"<DeviceIdentity {self.device_id}>"

    @classmethod
    def generate(cls) -> DeviceIdentity:
        """A new identity."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_private_bytes(cls, raw: bytes) -> DeviceIdentity:
        """The identity kept as 32 raw bytes. Raises StateError where they are no key."""
        try:
            return cls(Ed25519PrivateKey.from_private_bytes(raw))
        except ValueError:
            raise StateError("the device's key file does not hold a key") from None

    def private_bytes(self) -> bytes:
        """The 32 raw bytes to keep in a file of mode 0600."""
        return self._private.private_bytes_raw()

    @property
    def device_id(self) -> str:
        """The device's id, see ``device_id()``."""
        return device_id(self.public)

    def sign(self, role: Role, transcript: bytes, claims: bytes) -> bytes:
        """Sign a transcript in a role, together with what this side says of itself."""
        return self._private.sign(digest(b"localpair v1 identity", role.encode(), transcript, claims))


def check_public_key(public_key: bytes) -> None:
    """Raise RefusedError for a device key of which nobody need hold the private half, or with a second spelling.

    The points of low order verify signatures that anybody can make (RFC 8032, 5.1.7; RFC 7748, 6.1, has the same for
    X25519), and so stand for every device and none. A y of the field's prime or more is another point's y again.
    """
    y = int.from_bytes(public_key, "little") & ~(1 << 255)
    if y >= _FIELD_PRIME or y in _LOW_ORDER_Y:
        raise RefusedError(Refusal.WRONG_KEY, "the peer's device key is none that a device can hold")


def check_signature(
    public_key: bytes, signature: bytes, role: Role, transcript: bytes, claims: bytes
) -> None:
    """Raise RefusedError unless ``public_key`` signed this transcript and these claims in this role."""
    check_public_key(public_key)
    message = digest(b"localpair v1 identity", role.encode(), transcript, claims)
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise RefusedError(Refusal.WRONG_KEY, "the peer could not prove its device key") from None


@dataclass(frozen=True, slots=True)
class SessionCertificate:
    """A self-signed P-256 certificate made for one process, with its key encrypted under ``password``.

    ``key_hash`` is what an offer carries; ``fingerprint`` (SHA-256 of the DER form) enters the transcript. An extension
    holds EARLIER_OFFERS marks: whoever holds the secret of an earlier offer finds out that this is its issuer's later
    run, and anybody else sees random bytes.
    """

    der: bytes
    pem: bytes = field(repr=False)
    password: bytes = field(repr=False)
    key_hash: bytes
    fingerprint: bytes

    @classmethod
    def generate(cls, mark_keys: Sequence[bytes] = ()) -> SessionCertificate:
        """A new certificate, valid from 1970 to 9999: trust is the pinned key, never a date. ``mark_keys`` are those of
        earlier offers (`SharedSecret.mark_key`).
        """
        key = ec.generate_private_key(ec.SECP256R1())
        key_hash = _hash_of_key(key.public_key())
        marks = [_mark(one, key_hash) for one in mark_keys[:EARLIER_OFFERS]]
        marks += [os.urandom(MAC_BYTES) for _ in range(EARLIER_OFFERS - len(marks))]
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localpair " + os.urandom(8).hex())])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(dt.datetime(1970, 1, 1, tzinfo=dt.UTC))
            .not_valid_after(dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC))
            .add_extension(x509.UnrecognizedExtension(_MARKS_OID, b"".join(marks)), critical=False)
            .sign(key, hashes.SHA256())
        )
        der = certificate.public_bytes(Encoding.DER)
        password = base64.b64encode(os.urandom(32))
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
        pem = secret + certificate.public_bytes(Encoding.PEM)
        return cls(der, pem, password, key_hash, hashlib.sha256(der).digest())


def key_hash_of(certificate_der: bytes) -> bytes:
    """The pin of a certificate: the first KEY_HASH_BYTES of SHA-256 over its SubjectPublicKeyInfo.

    Raises WireError for whatever is no certificate.
    """
    try:
        return _hash_of_key(x509.load_der_x509_certificate(certificate_der).public_key())
    except Exception as error:
        # A stranger's bytes: odd versions and kinds of keys raise errors that share no base.
        raise WireError("the peer's certificate cannot be read") from error


def _hash_of_key(public: CertificatePublicKeyTypes) -> bytes:
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()[:KEY_HASH_BYTES]


def check_pin(certificate_der: bytes, key_hash: bytes, secret: SharedSecret | None = None) -> None:
    """Raise RefusedError unless the certificate's key is the one the offer promised: EXPIRED where it is marked as that
    of a later run of the device that made the offer of ``secret``, else WRONG_KEY.
    """
    shown = key_hash_of(certificate_der)
    if hmac.compare_digest(shown, key_hash):
        return
    if secret is not None and _mark(secret.mark_key, shown) in _marks_of(certificate_der):
        raise RefusedError(Refusal.EXPIRED, "the device that made this offer shows another one now")
    raise RefusedError(Refusal.WRONG_KEY, "another device answered here: its key is not the offer's")


def _mark(mark_key: bytes, key_hash: bytes) -> bytes:
    return hmac.digest(mark_key, key_hash, "sha256")[:MAC_BYTES]


def _marks_of(certificate_der: bytes) -> list[bytes]:
    """The marks in a certificate of anybody's."""
    try:
        found = x509.load_der_x509_certificate(certificate_der).extensions.get_extension_for_oid(_MARKS_OID)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return []
    whole = found.value.value if isinstance(found.value, x509.UnrecognizedExtension) else b""
    return [whole[start : start + MAC_BYTES] for start in range(0, EARLIER_OFFERS * MAC_BYTES, MAC_BYTES)]


def certificate_fingerprint(certificate_der: bytes) -> bytes:
    """SHA-256 of the DER form, as it enters the transcript."""
    return hashlib.sha256(certificate_der).digest()


@dataclass(frozen=True, slots=True)
class _SideKeys:
    """What one side's beacons are made with, and its responses where it calls."""

    call_key: bytes = field(repr=False)
    tag_key: bytes = field(repr=False)
    aead: AESGCM = field(repr=False)

    @classmethod
    def of(cls, root: bytes, side: Role) -> _SideKeys:
        name = side.encode()
        call_key, tag_key = _expand(root, name + b" call"), _expand(root, name + b" beacon tag")
        return cls(call_key, tag_key, AESGCM(_expand(root, name + b" beacon seal")))

    def tag(self, nonce: bytes, carrier: bytes) -> bytes:
        return hmac.digest(self.tag_key, nonce + carrier, "sha256")[:BEACON_TAG_BYTES]

    def call_tag(self, preamble: bytes, challenge: bytes, nonce: bytes) -> bytes:
        return hmac.digest(self.call_key, digest(preamble, challenge, nonce), "sha256")[:MAC_BYTES]


class SharedSecret:
    """A secret that both devices hold, and what is derived from it. Its bytes never leave this object.

    ``side`` is this device's part in the pairing that the secret belongs to: a pair's key keeps it for good. Each side
    makes beacons, and calls, with keys of its own, so that nobody takes its own for its peer's.
    """

    __slots__ = (
        "_answer_key",
        "_handshake",
        "_hello_key",
        "_ours",
        "_refusal_key",
        "_theirs",
        "mark_key",
        "purpose",
        "side",
    )

    def __init__(self, material: bytes, purpose: Purpose, side: Role) -> None:
        root = _extract(b"localpair v1 " + purpose.encode(), material)
        self.purpose, self.side = purpose, side
        self._ours, self._theirs = _SideKeys.of(root, side), _SideKeys.of(root, side.other)
        self._handshake = _expand(root, b"handshake")
        self._answer_key = _expand(root, b"answer code")
        self._hello_key = _expand(root, b"hello")
        self._refusal_key = _expand(root, b"refusal")
        self.mark_key = _expand(root, b"later run")  # opens and proves nothing else

    def __repr__(self) -> str:
        return f"<SharedSecret {self.purpose}>"

    def tag(self, nonce: bytes, carrier: bytes) -> bytes:
        """What makes the peer recognise a beacon of ours on this carrier; to anybody else it is random.

        ``carrier`` is empty over UDP, and the fingerprint of the TLS server's certificate over TCP.
        """
        return self._ours.tag(nonce, carrier)

    def same_as(self, other: SharedSecret) -> bool:
        """Whether both were made of the same material for the same purpose."""
        return hmac.compare_digest(self._handshake, other._handshake)

    def recognises(self, nonce: bytes, tag: bytes, carrier: bytes) -> bool:
        """Whether the peer made ``tag`` for this carrier. A first sieve; only ``open`` authenticates."""
        return hmac.compare_digest(self._theirs.tag(nonce, carrier), tag)

    def hello_tag(self, role: Role, certificate: bytes, question: bytes, nonce: bytes) -> bytes:
        """What names the secret in a HELLO, to its holders and on this connection only.

        ``certificate`` is the fingerprint of the TLS server's certificate; ``question`` the joiner's HELLO where the
        issuer answers it, else empty.
        """
        message = digest(role.encode(), certificate, question, nonce)
        return hmac.digest(self._hello_key, message, "sha256")[:MAC_BYTES]

    def refusal_mac(self, role: Role, certificate: bytes, question: bytes, code: int) -> bytes:
        """What shows that a holder of the secret, in ``role``, refuses on this connection with this ``code``.

        ``question`` is the joiner's HELLO.
        """
        message = digest(role.encode(), certificate, question, bytes([code]))
        return hmac.digest(self._refusal_key, message, "sha256")[:MAC_BYTES]

    def call_tag(self, preamble: bytes, challenge: bytes, nonce: bytes) -> bytes:
        """What shows, before TLS and on one connection only, that the secret is held here, where we call.

        ``preamble`` is the caller's, ``challenge`` the peer's, ``nonce`` the caller's and used once.
        """
        return self._ours.call_tag(preamble, challenge, nonce)

    def is_call_tag(self, preamble: bytes, challenge: bytes, nonce: bytes, tag: bytes) -> bool:
        """Whether the peer, which has called us, made ``tag`` for our challenge."""
        return hmac.compare_digest(self._theirs.call_tag(preamble, challenge, nonce), tag)

    def answer_check(self, body: bytes) -> bytes:
        """What binds an answer code to the offer of this secret, short enough to be typed."""
        return hmac.digest(self._answer_key, body, "sha256")[:ANSWER_CODE_CHECK_BYTES]

    def is_answer_check(self, body: bytes, check: bytes) -> bool:
        """Whether ``check`` was made with this secret. It sorts out slips of the fingers and authenticates nobody."""
        return hmac.compare_digest(self.answer_check(body), check)

    def seal(self, nonce: bytes, plaintext: bytes, header: bytes, carrier: bytes) -> bytes:
        """Encrypt and authenticate; the result is SEAL_OVERHEAD_BYTES longer. A nonce is used once."""
        return self._ours.aead.encrypt(nonce, plaintext, header + carrier)

    def open(self, nonce: bytes, sealed: bytes, header: bytes, carrier: bytes) -> bytes:
        """The plaintext of what the peer sealed. Raises WireError where anything was forged or damaged."""
        try:
            return self._theirs.aead.decrypt(nonce, sealed, header + carrier)
        except InvalidTag:
            raise WireError("a sealed message does not open") from None

    def short_code(self, *shares: bytes) -> str:
        """Six digits that both screens show: ``483 920``. ``shares`` are, in this order, the fingerprint of the TLS
        certificate, the issuer's and the joiner's device keys, and the issuer's and the joiner's nonces.
        """
        number = (
            int.from_bytes(_expand(self._handshake, b"short code" + digest(*shares), 8), "big") % 1_000_000
        )
        return f"{number // 1000:03d} {number % 1000:03d}"

    def proving(self, transcript: bytes) -> ProvingKeys:
        """The keys of one handshake over this transcript."""
        return ProvingKeys(_extract(transcript, self._handshake), transcript)


class ProvingKeys:
    """The keys of one handshake: proofs of the secret for each role."""

    __slots__ = ("_proving", "_transcript")

    def __init__(self, proving: bytes, transcript: bytes) -> None:
        self._proving = proving
        self._transcript = transcript

    def __repr__(self) -> str:
        return "<ProvingKeys>"

    def proof(self, role: Role) -> bytes:
        """What shows, without revealing anything, that a side in ``role`` holds the secret."""
        return hmac.digest(_expand(self._proving, role.encode() + b" proof"), self._transcript, "sha256")

    def check_proof(self, role: Role, proof: bytes) -> None:
        """Raise RefusedError unless ``proof`` is that of ``role``."""
        if not hmac.compare_digest(self.proof(role), proof):
            raise RefusedError(Refusal.WRONG_SECRET, "the peer does not hold the secret")
