"""Packets: impairments, tunnels, probes and captures."""
