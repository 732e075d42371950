"""What the kernels of a plan are told: the settings of its nodes that change where packets go."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from localpair_lab.model.kernel_names import key_of
from localpair_lab.plan.topology import Family, Node

_FORWARDING = {"ipv4": "net.ipv4.ip_forward", "ipv6": "net.ipv6.conf.all.forwarding"}


@lru_cache(maxsize=1024)
def _found(sysctls: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    return dict(sysctls)


def forwards(node: Node, family: Family) -> bool:
    """Whether the node sends on what is meant for others."""
    return _found(node.sysctls).get(_FORWARDING[family]) == "1"


def level(node: Node, interface: str, setting: str) -> int:
    """An IPv4 setting of one interface where the larger one of its own and that of ``all`` holds."""
    found = _found(node.sysctls)
    return max(int(found.get(key_of("ipv4", name, setting), "0")) for name in (interface, "all"))
