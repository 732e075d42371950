"""Checks of ports and of one's own addresses: which are free, which are ours, and whether we reach ourselves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from localpair.address import AddressClass, classify
from localpair.candidate import Interface, InterfaceAddress
from localpair.diagnosis.evidence import outcome, word
from localpair.endpoint import scope_of
from localpair.limits import DISCOVERY_PORT, PAIRING_PORTS, SELF_CALLS
from localpair.net.host.read import read_interfaces
from localpair.net.netcheck.lacking import lacking_families, lacking_versions
from localpair.net.netcheck.port_holders import (
    Binding,
    PortHolder,
    SharedPort,
    can_pair,
    port_holders,
    try_discovery_port,
    try_port,
)
from localpair.net.netcheck.self_listener import SelfListener

if TYPE_CHECKING:
    from collections.abc import Sequence

    from localpair.diagnosis.context import CheckContext
    from localpair.diagnosis.evidence import CheckNotes
    from localpair.diagnosis.facts import Facts, Json
    from localpair.events import AddressAttempt

_TOLD: Final = 3  # faults of one kind named in a summary; the facts hold all of them


def ports(_: CheckContext, notes: CheckNotes) -> None:
    """Whether the discovery port can be shared and which pairing ports are free; otherwise the errno and who."""
    shared = try_discovery_port()
    notes.fact("discovery_port", DISCOVERY_PORT)
    notes.fact("discovery", [_shared_row(port) for port in shared])
    tried = {port: try_port(port) for port in PAIRING_PORTS}
    free = [port for port, bindings in tried.items() if can_pair(bindings)]
    failed = [one for bindings in tried.values() for one in bindings if not one.tried.ok]
    notes.fact("pairing_ports_free", free)
    notes.fact("pairing_ports_refused", [_binding_row(one) for one in failed])
    for lack in lacking_families():
        notes.say(str(lack))
    _tell_ports(shared, free, notes)
    if failed or not all(port.alone.ok for port in shared):
        notes.fact("holders", _holders())


async def addresses(setting: CheckContext, notes: CheckNotes) -> None:
    """What address the device thinks it has: the stages of finding one's own addresses, with every try."""
    report = await setting.acquire(lambda attempt: notes.add("attempts", _attempt(attempt)))
    notes.fact("stage", report.stage)
    for candidate in report.candidates:
        row = {
            "address": candidate.address,
            "interface": candidate.interface,
            "class": candidate.cls,
            "evidence": candidate.evidence.label,
            "origin": candidate.origin,
            "reasons": candidate.reasons,
        }
        notes.add("candidates", row)
    if not report.candidates:
        notes.fail("no address to offer")
        return
    best = report.candidates[0]
    notes.say(f"{best} on {best.interface or 'an unknown interface'} ({best.evidence.label})")
    if report.stage is None:
        notes.fail("no stage confirmed an address")
    else:
        notes.say(f"found by stage {report.stage}, {len(report.candidates)} in all")


async def self_call(_: CheckContext, notes: CheckNotes) -> None:
    """Whether the device reaches itself at each of its addresses, over TCP and UDP.

    Such a call never leaves the host: it shows that an address is ours and that nothing inside the host is in the
    way, and nothing about others.
    """
    faults: list[str] = []
    slots = asyncio.Semaphore(SELF_CALLS)
    lacking = lacking_versions()
    async with SelfListener() as self_listener:
        notes.fact("port", self_listener.port)
        async with asyncio.TaskGroup() as calls:
            for interface in read_interfaces().interfaces:
                for details in interface.addresses:
                    if details.address.version in lacking:
                        notes.add("calls", _not_called(interface, details))
                        continue
                    calls.create_task(_reach(self_listener, interface, details, slots, notes, faults))
    if faults:
        more = f" and {len(faults) - _TOLD} more" if len(faults) > _TOLD else ""
        notes.fail(f"not reached by itself: {', '.join(sorted(faults)[:_TOLD])}{more}")
    else:
        notes.say("reaches itself at every address")


def _attempt(attempt: AddressAttempt) -> Facts:
    return {
        "stage": attempt.stage,
        "address": None if attempt.address is None else str(attempt.address),
        "interface": attempt.interface,
        "class": attempt.cls,
        "outcome": attempt.outcome,
        "reason": attempt.reason,
        "ms": round(attempt.ms, 3),
    }


def _not_called(interface: Interface, details: InterfaceAddress) -> Facts:
    why = f"this system has no IPv{details.address.version}"
    return {"address": str(details.address), "interface": interface.name, "skipped": why}


async def _reach(
    self_listener: SelfListener,
    interface: Interface,
    details: InterfaceAddress,
    slots: asyncio.Semaphore,
    notes: CheckNotes,
    faults: list[str],
) -> None:
    row: dict[str, Json] = {"address": str(details.address), "interface": interface.name, "up": interface.up}
    if details.tentative or classify(details.address) is AddressClass.UNSPECIFIED:
        notes.add("calls", {**row, "skipped": "not usable yet: duplicate address detection"})
        return
    scope = scope_of(details.address, interface.index)
    async with slots:
        tries = {
            "tcp": await self_listener.call(details.address, scope),
            "udp": await self_listener.datagram(details.address, scope),
        }
    notes.add("calls", {**row, **{kind: outcome(tried) for kind, tried in tries.items()}})
    for kind, tried in tries.items():
        if interface.up and not tried.ok:
            faults.append(f"{details.address} over {kind.upper()} ({word(tried.error)})")


def _shared_row(port: SharedPort) -> Facts:
    return {
        "family": f"IPv{port.version}",
        "shared": word(port.shared.error),
        "alone": word(port.alone.error),
    }


def _binding_row(one: Binding) -> Facts:
    return {"port": one.port, "kind": one.kind, "family": one.version, **outcome(one.tried)}


def _tell_ports(shared: Sequence[SharedPort], free: Sequence[int], notes: CheckNotes) -> None:
    for port in shared:
        if not port.shared.ok:
            said = word(port.shared.error)
            notes.fail(f"UDP port {DISCOVERY_PORT} cannot be shared over IPv{port.version} ({said})")
    if free:
        notes.say(f"{len(free)} of {len(PAIRING_PORTS)} pairing ports are free, {free[0]} is the first")
    else:
        notes.fail("no pairing port is free: another number will be used, which a firewall may not know")
    if any(port.others for port in shared):
        notes.say(f"another program listens on UDP port {DISCOVERY_PORT} too")


def _holders() -> Json:
    try:
        holders = port_holders({DISCOVERY_PORT, *PAIRING_PORTS})
    except OSError as error:
        return f"not told: {type(error).__name__}"
    return sorted({f"{one.port}: {_program(one)}" for one in holders})


def _program(holder: PortHolder) -> str:
    if holder.process is None:
        return "a program of another user"
    process = f"process {holder.process}"
    return f"{holder.program} ({process})" if holder.program else process
