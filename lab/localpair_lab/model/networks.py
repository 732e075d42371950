"""The networks of a scenario and what they do to packets."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import GetJsonSchemaHandler, model_validator

from localpair_lab.model.common import Many, Model, Packets, Port
from localpair_lab.model.values import Address, Duration, Flag, Mtu, Name, Percent, Prefix


class Drop(Packets):
    """What a network loses: all of it, or a share, always or in bursts."""

    frames_from: Many[Port] = ()
    frames_to: Many[Port] = ()
    loss: Percent = 100.0
    burst: Duration = 0.0
    pause: Duration = 0.0


class Multicast(Model):
    """How a network treats multicast. Neighbour discovery lives on unless ``flooding`` is false."""

    ipv4: Literal["pass", "drop"] = "pass"
    ipv6: Literal["pass", "drop"] = "pass"
    drop: Many[Prefix] = ()
    frames_from: Many[Port] = ()
    frames_to: Many[Port] = ()
    loss: Percent = 100.0
    burst: Duration = 0.0
    pause: Duration = 0.0
    flooding: Flag = True

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: object) -> object:
        if value in ("pass", "drop"):
            return {"ipv4": value, "ipv6": value}
        if isinstance(value, str):
            raise ValueError(  # noqa: TRY004 - pydantic collects ValueError
                f"{value!r} is not understood; write pass, drop, or a mapping such as {{ipv4: drop}}"
            )
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: GetJsonSchemaHandler) -> Any:
        return {"anyOf": [{"enum": ["pass", "drop"]}, handler(core)]}


class Snooping(Model):
    """IGMP and MLD snooping in the switch. Without a querier a real switch prunes; name the pruned groups
    then.
    """

    querier: Flag = False
    interval: Duration = 1.0
    membership: Duration = 3.0
    pruned: Many[Prefix] = ()
    reports_lost_from: Many[Port] = ()


class Dhcp(Model):
    """The machine that hands out IPv4 addresses on a network, and for how long. Who gets which stands at the
    interfaces that have ``dhcp``.
    """

    short_key = "server"
    server: Name
    lease: Duration = 3600.0


class RouterAdvertisements(Model):
    """The router that announces itself and its prefixes on a network; without ``prefixes``, the network's own IPv6
    ones.
    """

    short_key = "by"
    by: Name
    prefixes: Many[Prefix] = ()


class Network(Model):
    """One LAN. ``ip`` names its subnets; IPv6 exists only where a subnet or ``ipv6: link-local`` asks for
    it.
    """

    short_key = "ip"
    kind: Literal["lan", "tunnel"] = "lan"
    ip: Many[Prefix] = ()
    ipv6: Literal["off", "link-local"] = "off"
    mtu: Mtu = 1500
    multicast: Multicast = Multicast()
    broadcast: Literal["pass", "drop"] = "pass"
    isolation: Literal["none", "clients"] | tuple[Port, ...] = "none"
    snooping: Snooping | None = None
    drops: Many[Drop] = ()
    dhcp: Dhcp | None = None
    advertised: RouterAdvertisements | None = None
    hub: Many[Address] = ()
    hub_forwards: Flag = True
