"""What a machine has to be able to do for a plan."""

from __future__ import annotations

CAPABILITIES = {
    "loss": "random or exact loss of packets on a port or a segment",
    "rate": "a limited rate",
    "delay": "delay, jitter, duplication or reordering (netem, or the lab's packet queue)",
    "snooping": "a switch that snoops IGMP and MLD and can query",
    "ipv6": "IPv6 on the devices",
    "nat": "address translation in a router",
    "firewall": "stateful firewalls on devices and routers",
    "filter": "switches that drop some packets",
    "policy-routing": "routing rules and further tables",
    "bbr": "the congestion control that bears losses, open to every program",
    "trunk": "frames under the tags of VLANs, put on and taken off by the lab",
    "isolation": "ports that do not exchange frames",
    "tunnel-device": "a real point-to-point device",
    "clock": "a shifted wall clock",
    "files": "an /etc/hosts and a resolver of one's own per node",
    "sandbox": "a program that is denied system calls",
    "kernel-files": "a program that is denied /proc and /sys",
    "programs": "programs that a scenario's devices need",
    "events": "changes while the devices run",
}
"""Every capability a plan can need, with what it means; an engine answers ``supports`` in these words."""
