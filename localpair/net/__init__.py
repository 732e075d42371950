"""Sockets, clocks and everything that differs by platform: the only part of localpair that touches the network."""
