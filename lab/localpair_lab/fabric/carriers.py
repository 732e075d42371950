"""Steps that start programs which carry packets in another form: under tags, or under the other family's addresses."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CarryTrunk:
    """A program that carries frames over the cable ``near``-``far`` under the tags of IEEE 802.1Q (0: none): those of
    the links in ``near_ports`` to those of ``far_ports`` that have the same tag, and back.
    """

    place: str
    near: str
    far: str
    near_ports: tuple[tuple[int, str], ...]
    far_ports: tuple[tuple[int, str], ...]

    @property
    def text(self) -> str:
        there, here = (
            ", ".join(f"{link} {f'tagged {tag}' if tag else 'untagged'}" for tag, link in ports) or "nothing"
            for ports in (self.far_ports, self.near_ports)
        )
        return f"# a program carries over {self.near}: {here}; and takes at {self.far}: {there}"


@dataclass(frozen=True, slots=True)
class Translate:
    """A tun device, down, with a program that gives back what leaves by it as packets of the other family: addresses of
    ``pairs`` (IPv4, IPv6) become each other, and other IPv4 ones lie below ``prefix``.
    """

    place: str
    link: str
    prefix: str
    pairs: tuple[tuple[str, str], ...]
    mtu: int = 1500
    index: int = 0

    @property
    def text(self) -> str:
        known = "".join(f", {ipv4} is {ipv6}" for ipv4, ipv6 in self.pairs)
        return f"# in {self.place}, a tun device {self.link}, with a program that translates by {self.prefix}{known}"
