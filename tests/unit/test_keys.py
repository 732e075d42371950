"""Keys, the pin, and what a seal promises."""

from __future__ import annotations

import hmac
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from localpair.errors import Refusal, RefusedError, StateError, WireError
from localpair.keys import (
    DeviceIdentity,
    Purpose,
    Role,
    SessionCertificate,
    SharedSecret,
    check_pin,
    check_public_key,
    check_signature,
    device_id,
    digest,
    key_hash_of,
)
from localpair.net.transport.tls import client_context, server_context

SECRET, THEIRS = (SharedSecret(b"0123456789abcdef", Purpose.OFFER, side) for side in Role)
CARRIER = bytes(range(32))


def test_the_pin_of_a_certificate_is_checked() -> None:
    mine, other = SessionCertificate.generate(), SessionCertificate.generate()
    check_pin(mine.der, mine.key_hash)
    with pytest.raises(RefusedError) as refused:
        check_pin(other.der, mine.key_hash)
    assert refused.value.reason is Refusal.WRONG_KEY


def test_a_later_run_of_the_issuer_is_known_to_whoever_holds_an_earlier_offer() -> None:
    earlier = [SharedSecret(bytes([number] * 16), Purpose.OFFER, Role.ISSUER) for number in range(10)]
    later = SessionCertificate.generate([one.mark_key for one in earlier])
    again = SessionCertificate.generate([earlier[0].mark_key])
    reasons = []
    for number in range(10):
        held = SharedSecret(bytes([number] * 16), Purpose.OFFER, Role.JOINER)
        for certificate in (later, again):
            with pytest.raises(RefusedError) as refused:
                check_pin(certificate.der, bytes(16), held)
            reasons.append(refused.value.reason)
    old, other = Refusal.EXPIRED, Refusal.WRONG_KEY
    assert reasons == [old, old, *[old, other] * 7, *[other, other] * 2], "the latest eight are named"
    check_pin(later.der, later.key_hash, SharedSecret(bytes(16), Purpose.OFFER, Role.JOINER))


def test_certificates_look_alike_however_many_offers_they_name() -> None:
    few, many = [
        SessionCertificate.generate([bytes([number] * 32) for number in range(count)]) for count in (0, 8)
    ]
    assert abs(len(few.der) - len(many.der)) <= 4, "but for the signature, whose numbers vary in length"
    for number in range(8):
        mark = hmac.digest(bytes([number] * 32), many.key_hash, "sha256")[:16]
        assert many.der.count(mark) == 1
        assert mark not in few.der


def test_a_certificate_without_marks_or_with_broken_ones_is_another_key() -> None:
    held = SharedSecret(bytes(16), Purpose.OFFER, Role.JOINER)
    whole = x509.load_der_x509_certificate(SessionCertificate.generate([held.mark_key]).der)
    (extension,) = whole.extensions
    assert isinstance(extension.value, x509.UnrecognizedExtension)
    key = ec.generate_private_key(ec.SECP256R1())
    for value in (b"", b"\0" * 15, extension.value.value, None):
        builder = (
            x509.CertificateBuilder()
            .subject_name(whole.subject)
            .issuer_name(whole.issuer)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(whole.not_valid_before_utc)
            .not_valid_after(whole.not_valid_after_utc)
        )
        if value is not None:
            builder = builder.add_extension(x509.UnrecognizedExtension(extension.oid, value), critical=False)
        der = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
        with pytest.raises(RefusedError) as refused:
            check_pin(der, bytes(16), held)
        assert refused.value.reason is Refusal.WRONG_KEY


def test_garbage_is_no_certificate() -> None:
    with pytest.raises(WireError):
        key_hash_of(b"garbage")


def test_a_certificate_never_expires() -> None:
    certificate = x509.load_der_x509_certificate(SessionCertificate.generate().der)
    assert certificate.not_valid_before_utc.year == 1970
    assert certificate.not_valid_after_utc.year == 9999


def test_the_contexts_speak_nothing_older_than_tls_1_3() -> None:
    for context in (server_context(SessionCertificate.generate()), client_context()):
        assert context.minimum_version is ssl.TLSVersion.TLSv1_3


def test_the_key_of_a_session_is_encrypted_wherever_it_is_written() -> None:
    certificate = SessionCertificate.generate()
    assert b"ENCRYPTED PRIVATE KEY" in certificate.pem
    assert certificate.password not in certificate.pem
    assert "PRIVATE" not in repr(certificate)


def test_a_device_is_named_by_its_key() -> None:
    identity = DeviceIdentity.generate()
    again = DeviceIdentity.from_private_bytes(identity.private_bytes())
    assert again.device_id == identity.device_id == device_id(identity.public)
    assert len(identity.device_id) == 16
    with pytest.raises(StateError):
        DeviceIdentity.from_private_bytes(b"short")


@given(st.binary(max_size=300), st.binary(max_size=40))
def test_a_seal_opens_with_its_own_key_header_and_nonce_only(plain: bytes, header: bytes) -> None:
    nonce = bytes(12)
    sealed = SECRET.seal(nonce, plain, header, CARRIER)
    assert THEIRS.open(nonce, sealed, header, CARRIER) == plain
    others = (
        (SharedSecret(b"0123456789abcdeF", Purpose.OFFER, Role.JOINER), nonce, sealed, header, CARRIER),
        (SharedSecret(b"0123456789abcdef", Purpose.PAIR, Role.JOINER), nonce, sealed, header, CARRIER),
        (SECRET, nonce, sealed, header, CARRIER),
        (THEIRS, bytes([1]) * 12, sealed, header, CARRIER),
        (THEIRS, nonce, sealed, header + b"x", CARRIER),
        (THEIRS, nonce, sealed, header, b""),
        (THEIRS, nonce, sealed, header, bytes(32)),
        (THEIRS, nonce, bytes([sealed[0] ^ 1]) + sealed[1:], header, CARRIER),
    )
    for secret, used, box, head, carrier in others:
        with pytest.raises(WireError):
            secret.open(used, box, head, carrier)


def test_a_tag_is_recognised_by_the_other_side_and_on_its_own_carrier_only() -> None:
    nonce = bytes(range(12))
    for carrier in (b"", CARRIER):
        tag = SECRET.tag(nonce, carrier)
        assert THEIRS.recognises(nonce, tag, carrier)
        assert not SECRET.recognises(nonce, tag, carrier), (
            "a side does not answer to its own recorded beacons"
        )
        assert not THEIRS.recognises(nonce, tag, bytes(32))
        assert not THEIRS.recognises(bytes(12), tag, carrier)


def test_proofs_differ_by_role_transcript_and_secret() -> None:
    proofs = {
        SECRET.proving(transcript).proof(role) for transcript in (digest(b"1"), digest(b"2")) for role in Role
    } | {SharedSecret(b"another", Purpose.OFFER, Role.ISSUER).proving(digest(b"1")).proof(Role.ISSUER)}
    assert len(proofs) == 5


def test_fields_of_a_digest_cannot_run_into_each_other() -> None:
    assert digest(b"ab", b"c") != digest(b"a", b"bc") != digest(b"abc")


# -- device keys that nobody holds ------------------------------------------------------------------------------

PRIME = 2**255 - 19
D = -121665 * pow(121666, -1, PRIME) % PRIME
Point = tuple[int, int]
NEUTRAL: Point = (0, 1)


def add(p: Point, q: Point) -> Point:
    """The sum of two points of edwards25519 (RFC 8032, 5.1.4, in affine coordinates)."""
    (x, y), (u, v) = p, q
    both = D * x * y * u * v % PRIME
    return (
        (x * v + u * y) * pow(1 + both, -1, PRIME) % PRIME,
        (y * v + x * u) * pow(1 - both, -1, PRIME) % PRIME,
    )


def point(y: int) -> Point | None:
    """The point with this y and an even x, if there is one (RFC 8032, 5.1.3)."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if x * x % PRIME != square:
        x = x * pow(2, (PRIME - 1) // 4, PRIME) % PRIME
    if x * x % PRIME != square:
        return None
    return (PRIME - x if x % 2 else x, y)


def times(n: int, p: Point) -> Point:
    total = NEUTRAL
    for bit in bin(n)[2:]:
        total = add(total, total)
        total = add(total, p) if bit == "1" else total
    return total


def low_order_points() -> set[Point]:
    """All eight, found by multiplying points with the order of the large subgroup."""
    order = 2**252 + 27742317777372353535851937790883648493
    found: set[Point] = set()
    y = 2
    while len(found) < 8:
        p = point(y)
        if p is not None:
            torsion = times(order, p)
            found |= {times(n, torsion) for n in range(8)}
        y += 1
    return found


def spellings(p: Point) -> list[bytes]:
    """Every 32 bytes that some reader takes for this point: also with a y of the prime or more, and a needless sign."""
    x, y = p
    values = [y, y + PRIME] if y + PRIME < 2**255 else [y]
    signs = [0, 1] if x == 0 else [x % 2]
    return [(value | sign << 255).to_bytes(32, "little") for value in values for sign in signs]


def test_device_keys_of_low_order_are_refused_in_every_spelling() -> None:
    """Anybody can make signatures that such a key verifies, so a key that nobody holds would pair."""
    points = low_order_points()
    assert all(times(8, p) == NEUTRAL for p in points)
    keys = [key for p in points for key in spellings(p)]
    assert len(keys) == 14
    for key in keys:
        with pytest.raises(RefusedError) as refused:
            check_public_key(key)
        assert refused.value.reason is Refusal.WRONG_KEY


def test_a_signature_of_the_neutral_key_is_one_that_the_library_takes_and_we_do_not() -> None:
    neutral, zero = (1).to_bytes(32, "little"), bytes(32)
    Ed25519PublicKey.from_public_bytes(neutral).verify(neutral + zero, b"whatever")
    with pytest.raises(RefusedError):
        check_signature(neutral, neutral + zero, Role.JOINER, digest(b"1"), b"Eve")


@given(st.binary(min_size=32, max_size=32))
def test_keys_that_devices_hold_pass(private: bytes) -> None:
    check_public_key(DeviceIdentity.from_private_bytes(private).public)
