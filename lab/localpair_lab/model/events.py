"""What goes wrong on the wire, and what changes while the devices run."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from localpair_lab.model.common import Many, Model, Packets, Port
from localpair_lab.model.machines import Firewall
from localpair_lab.model.moments import Moment
from localpair_lab.model.networks import Drop, Multicast
from localpair_lab.model.values import Address, Count, Duration, Host, Name, Offset, Percent, Prefix, Rate


class Impair(Packets):
    """What the wire does to packets ``at`` one interface, ``to`` it, ``from`` it, or both ways."""

    at: Many[Port]
    direction: Literal["both", "to", "from"] = "both"
    nth: Many[Count] = ()
    loss: Percent = 0.0
    delay: Duration = 0.0
    jitter: Duration = 0.0
    duplicate: Percent = 0.0
    reorder: Percent = 0.0
    rate: Rate = 0.0


class _ScenarioEvent(Model):
    at: Moment
    id: Name | None = None


class Cable(_ScenarioEvent):
    """The cable is pulled (``cable-out``) or put back (``cable-in``): carrier goes and comes, addresses
    stay.
    """

    do: Literal["cable-out", "cable-in"]
    interface: Port


class Switch(_ScenarioEvent):
    """The interface is switched off (``interface-down``) or on; its routes go and come."""

    do: Literal["interface-down", "interface-up"]
    interface: Port


class Renumber(_ScenarioEvent):
    """The interface gets other addresses."""

    do: Literal["readdress"]
    interface: Port
    ip: Many[Host]
    gateway: Many[Address] = ()


class LeaseChange(_ScenarioEvent):
    """The DHCP server has another address for the interface (``lease``), which it takes when it renews; or none any
    more (``no-lease``): then its address goes when the lease has run out, and ``ip``, if any, takes its place.
    """

    do: Literal["lease", "no-lease"]
    interface: Port
    ip: Many[Host] = ()
    gateway: Many[Address] = ()


class TakeOver(_ScenarioEvent):
    """The interface takes an address from whoever has it on its network, and says so there, as the spare of two routers
    does (VRRP).
    """

    do: Literal["take-over"]
    interface: Port
    ip: Address


class Plug(_ScenarioEvent):
    """The interface vanishes (``unplug``) or appears (``plug-in``) with a new kernel index, as a USB
    adapter.
    """

    do: Literal["unplug", "plug-in"]
    interface: Port


class Move(_ScenarioEvent):
    """The interface moves to another network, as a phone that roams."""

    do: Literal["roam"]
    interface: Port
    to: Name
    ip: Many[Host]
    gateway: Many[Address] = ()


class Process(_ScenarioEvent):
    """localpair on the device is killed, put to sleep (``pause``) or woken (``resume``)."""

    do: Literal["kill", "pause", "resume"]
    device: Name


class Clock(_ScenarioEvent):
    """The device's wall clock jumps: it is off by so much from then on."""

    do: Literal["clock"]
    device: Name
    offset: Offset


class Policy(_ScenarioEvent):
    """The network's treatment of packets becomes another one, whole."""

    do: Literal["policy"]
    network: Name
    multicast: Multicast = Multicast()
    broadcast: Literal["pass", "drop"] = "pass"
    isolation: Literal["none", "clients"] | tuple[Port, ...] = "none"
    drops: Many[Drop] = ()


class Advertise(_ScenarioEvent):
    """The network's router advertises these prefixes from now on, and the earlier ones as deprecated."""

    do: Literal["advertise"]
    network: Name
    prefixes: Many[Prefix]


class Guard(_ScenarioEvent):
    """The machine's firewall becomes another one, whole."""

    do: Literal["firewall"]
    device: Name
    firewall: Firewall = Firewall()


class Degrade(_ScenarioEvent):
    """The wire at an interface gets bad (``impair``) or good again (``heal``)."""

    do: Literal["impair", "heal"]
    impair: Many[Impair] = ()
    interface: Port


ScenarioEvent: TypeAlias = Annotated[
    Cable
    | Switch
    | Renumber
    | LeaseChange
    | TakeOver
    | Plug
    | Move
    | Process
    | Clock
    | Policy
    | Advertise
    | Guard
    | Degrade,
    Field(discriminator="do"),
]
