"""State machines without sockets, clocks, randomness or logging: bytes and ``now`` in, bytes and events out."""
