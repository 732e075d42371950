"""The facts of a run: what was recorded on the way, with what this host says of its network at the end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from localpair.address import AddressClass, IPAddress, classify
from localpair.causes.facts import Ending, OfferFacts, PortFacts, RunFacts, RunRole, Transport
from localpair.net.host.firewalls import firewall_kinds
from localpair.net.host.linux.counters import CounterReading, read_counters
from localpair.net.host.state import bridge_filter, host_system, read_state
from localpair.wire.beacon import Part

if TYPE_CHECKING:
    from localpair.errors import PortError
    from localpair.net.agent.announcer import Announcer

_ROLES: Final = {
    Part.HOST: RunRole.HOST,
    Part.JOIN: RunRole.JOIN,
    Part.LISTEN: RunRole.LISTEN,
    Part.SEND: RunRole.SEND,
    Part.DISCOVER: RunRole.DIAGNOSE,
}


class FactCollector:
    """Puts the record together. The kernel's counters are read when the run begins, and again for each record."""

    def __init__(self, part: Part, announcer: Announcer, tcp_port: int) -> None:
        self._role, self._announcer, self._tcp_port = _ROLES[part], announcer, tcp_port
        self._before = CounterReading()

    def begin(self) -> None:
        """The run begins: what the kernel has counted until now is none of its."""
        self._before = read_counters()

    def collect(self, ending: Ending, offer: OfferFacts | None = None) -> RunFacts:
        """The record as it is now. Takes a few milliseconds and sends nothing."""
        announcer = self._announcer
        recorder, state = announcer.recorder, read_state(announcer.interfaces)
        offered = [(address, 0) for address in (offer.addresses if offer is not None else ())]
        places = [
            (address, _scope(address, index))
            for address, index in (*offered, *recorder.places())
            if index or not _needs_scope(address)
        ]
        facts = RunFacts(
            role=self._role,
            platform=host_system(),
            ending=ending,
            lasted_s=max(0, int(announcer.now() - recorder.began)),
            clock_s=int(time.time()),
            tcp_port=self._tcp_port,
            links=state.links() if announcer.interfaces.source != "none" else None,
            routes=state.routes(places),
            neighbours=state.neighbours(),
            counters=read_counters().since(self._before, *announcer.groups_heard),
            ports=(),
            offer=offer,
            firewalls=firewall_kinds(),
            bridge_filter=bridge_filter(),
        )
        return recorder.fill(facts)


def facts_without_port(part: Part, error: PortError) -> RunFacts:
    """The record of a run that ended before it began: the system gave it no port."""
    refused = PortFacts(Transport(error.protocol), error.port, error.errno)
    return RunFacts(
        role=_ROLES[part],
        platform=host_system(),
        ending=Ending.FAILED,
        clock_s=int(time.time()),
        firewalls=firewall_kinds(),
        ports=(refused,),
    )


def _scope(address: IPAddress, index: int) -> int:
    """The interface matters to link-local IPv6 alone."""
    return index if _needs_scope(address) else 0


def _needs_scope(address: IPAddress) -> bool:
    """Whether it leads nowhere without an interface: an offer names none."""
    return address.version == 6 and classify(address) is AddressClass.LINK_LOCAL
