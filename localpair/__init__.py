"""localpair: pair two devices on one local network whenever any path between them exists."""

__version__ = "0.1.0"
