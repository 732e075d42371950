"""Sockets that carry bytes and know nothing of their meaning: UDP, TCP, TLS, frames."""
