"""Sockets that test this host's own network: what a diagnosis asks."""
