"""Keys, the pin, and what a seal promises."""

from __future__ import annotations

import ssl

import pytest
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
    device_id,
    digest,
    key_hash_of,
)
from localpair.net.tls import client_context, server_context

SECRET = SharedSecret(b"0123456789abcdef", Purpose.OFFER)


def test_the_pin_of_a_certificate_is_checked() -> None:
    mine, other = SessionCertificate.generate(), SessionCertificate.generate()
    check_pin(mine.der, mine.key_hash)
    for certificate in (other.der, None):
        with pytest.raises(RefusedError) as refused:
            check_pin(certificate, mine.key_hash)
        assert refused.value.reason is Refusal.WRONG_KEY


def test_garbage_is_no_certificate() -> None:
    with pytest.raises(WireError):
        key_hash_of(b"garbage")


def test_a_certificate_never_expires() -> None:
    from cryptography import x509

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
    sealed = SECRET.seal(nonce, plain, header)
    assert SECRET.open(nonce, sealed, header) == plain
    others = (
        (SharedSecret(b"0123456789abcdeF", Purpose.OFFER), nonce, sealed, header),
        (SharedSecret(b"0123456789abcdef", Purpose.PAIR), nonce, sealed, header),
        (SECRET, bytes([1]) * 12, sealed, header),
        (SECRET, nonce, sealed, header + b"x"),
        (SECRET, nonce, bytes([sealed[0] ^ 1]) + sealed[1:], header),
    )
    for secret, used, box, head in others:
        with pytest.raises(WireError):
            secret.open(used, box, head)


def test_proofs_differ_by_role_transcript_and_secret() -> None:
    proofs = {
        SECRET.proving(transcript).proof(role) for transcript in (digest(b"1"), digest(b"2")) for role in Role
    } | {SharedSecret(b"another", Purpose.OFFER).proving(digest(b"1")).proof(Role.ISSUER)}
    assert len(proofs) == 5


def test_the_short_code_depends_on_both_devices_and_their_order() -> None:
    proving = SECRET.proving(digest(b"1"))
    codes = {proving.short_code(a, b) for a, b in ((b"1", b"2"), (b"2", b"1"), (b"1", b"3"))}
    assert len(codes) == 3
    assert all(len(code) == 7 and code[3] == " " and code.replace(" ", "").isdigit() for code in codes)


def test_fields_of_a_digest_cannot_run_into_each_other() -> None:
    assert digest(b"ab", b"c") != digest(b"a", b"bc") != digest(b"abc")
