"""TLS contexts: version 1.3, one-way, certificates pinned by their key and never by a date or a name."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

from localpair.keys import SessionCertificate


def server_context(certificate: SessionCertificate) -> ssl.SSLContext:
    """For the side that shows ``certificate``: the issuer, or whoever accepted a call."""
    context = _base(ssl.PROTOCOL_TLS_SERVER)
    # No tickets: a session is never resumed, and they would be two writes that nobody reads.
    context.num_tickets = 0
    with tempfile.TemporaryDirectory(prefix="localpair-") as folder:
        # The ssl module loads certificates from files only. The folder is 0700, the key in it is encrypted.
        path = Path(folder) / "session.pem"
        path.write_bytes(certificate.pem)
        context.load_cert_chain(path, password=certificate.password)
    return context


def client_context() -> ssl.SSLContext:
    """For the other side. Nothing is verified here: the caller pins the key before it writes a byte."""
    context = _base(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _base(protocol: ssl._SSLMethod) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # A peer that closes without close_notify gives a plain end of the stream; frames tell what is complete.
    context.options |= getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    return context
