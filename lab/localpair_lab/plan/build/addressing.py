"""MACs, link-local addresses, and the addresses that a scenario leaves to the lab."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_interface, ip_network


def make_mac(machine: int, interface: int) -> str:
    """A locally administered MAC (IEEE 802, bit 1 of the first octet) from the two positions in the plan."""
    return f"02:6c:70:{machine >> 8:02x}:{machine & 255:02x}:{interface & 255:02x}"


def link_local(mac: str) -> str:
    """The address that the kernel makes from ``mac``: fe80::/64 and the modified EUI-64 (RFC 4291, appendix
    A).
    """
    octets = bytes.fromhex(mac.replace(":", ""))
    eui = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return f"{IPv6Address(bytes((0xFE, 0x80, 0, 0, 0, 0, 0, 0)) + eui)}/64"


def autoconfigured(prefix: str, mac: str) -> str:
    """The address that a host makes of an advertised /64 and its MAC, with its length (RFC 4862, 5.5.3)."""
    bits = int(IPv6Address(link_local(mac).partition("/")[0])) & ((1 << 64) - 1)
    return f"{IPv6Address(int(IPv6Network(prefix).network_address) | bits)}/64"


def place_host(host: str, prefixes: tuple[str, ...], position: int, *, router: bool) -> list[str]:
    """``host`` of a scenario as full addresses: with its length from the network, or one per prefix for
    ``auto``.
    """
    if host == "auto":
        return [_automatic(prefix, position, router=router) for prefix in prefixes]
    if "/" in host:
        return [host]
    address = ip_address(host)
    holding = [network for network in map(ip_network, prefixes) if address in network]
    length = max(network.prefixlen for network in holding)
    return [f"{address}/{length}"]


def _automatic(prefix: str, position: int, *, router: bool) -> str:
    network = ip_network(prefix)
    wanted = 1 + position if router else 10 * (position + 1)
    number = wanted if wanted < network.num_addresses - 1 else 2 + position
    return f"{network[number]}/{network.prefixlen}"


def holds(address: str, gateway: str) -> bool:
    """Whether ``gateway`` is on the link that ``address`` (with its prefix) is on."""
    return ip_address(gateway) in ip_interface(address).network


def has_route(subnet: IPv4Network | IPv6Network) -> bool:
    """Whether the kernel makes a route to a subnet of an interface: Linux makes none to one that begins at 0.0.0.0, as
    with a mask of /0 every one does.
    """
    return subnet.version == 6 or int(subnet.network_address) > 0


def family_of(text: str) -> str:
    """``ipv4`` or ``ipv6`` for an address or prefix."""
    return "ipv6" if ":" in text else "ipv4"
