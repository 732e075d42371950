"""What an agent is for: its configuration, given once."""

from __future__ import annotations

from dataclasses import field

from localpair.dataclass import dataclass
from localpair.keys import DeviceIdentity, Role
from localpair.wire.beacon import Part


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an agent is for.

    ``secret`` names the secret that a joiner means; ``pin`` is the issuer's key hash where the offer gave one.
    ``label`` is what a peer is told that has proven the secret, a general name where it is empty; ``announced`` is
    the name that beacons carry, empty by default; ``silent``: none is sent before ``Agent.resume_announcing``. ``run``
    is higher than in every earlier run of this device. ``earlier_offers`` are the mark keys of
    the offers of this device's earlier runs. ``looks``: it looks around and pairs with nobody. Its sockets keep away
    from the ports of runs that pair, and a connection ends once the peer's key was seen.
    """

    role: Role
    part: Part
    identity: DeviceIdentity
    label: str = ""
    announced: str = ""
    gives: bool = False
    takes: bool = False
    secret: str | None = None
    pin: bytes | None = None
    port: int = 0
    prefer_port: int = 0
    run: int = 0
    silent: bool = False
    looks: bool = False
    earlier_offers: tuple[bytes, ...] = field(default=(), repr=False)
