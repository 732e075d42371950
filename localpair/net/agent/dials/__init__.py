"""Dials: when and where a peer is called, by which way, and how two firewalls are opened for it."""
