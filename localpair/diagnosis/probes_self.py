"""Checks of ports and of one's own addresses: which are free, which are ours, and whether we reach ourselves."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from typing import TYPE_CHECKING, Final

from localpair.address import AddressClass, classify
from localpair.candidate import Interface, InterfaceAddress
from localpair.diagnosis.evidence import outcome
from localpair.diagnosis.mirror import Mirror
from localpair.limits import DISCOVERY_PORT, PAIRING_PORTS, SELF_CALLS
from localpair.net.interfaces import read_interfaces
from localpair.net.sockets import families
from localpair.ranking import scope_of

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from localpair.address import IPAddress
    from localpair.diagnosis.evidence import Notes
    from localpair.diagnosis.record import Facts, Json
    from localpair.diagnosis.setting import Setting
    from localpair.events import AddressAttempt

_TOLD: Final = 3  # faults of one kind named in a summary; the facts hold all of them
_KINDS: Final = ((socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp"))


def ports(_: Setting, notes: Notes) -> None:
    """Whether the discovery port can be shared and which pairing ports are free; otherwise the errno and who."""
    shared = [_discovery(family, wildcard) for family, wildcard in families()]
    notes.fact("discovery_port", DISCOVERY_PORT)
    notes.fact("discovery", shared)
    taken, free = [], []
    for port in PAIRING_PORTS:
        refused = [row for row in _pairing(port) if row["outcome"] == "failed"]
        taken += [row for row in refused if row.get("errno") != errno.errorcode[errno.EAFNOSUPPORT]]
        if not any(row.get("errno") in ("EADDRINUSE", "EACCES") for row in refused):
            free.append(port)
    notes.fact("pairing_ports_free", free)
    notes.fact("pairing_ports_refused", taken)
    _tell_ports(shared, free, notes)
    if taken or any(row["alone"] != "ok" for row in shared):
        notes.fact("holders", _holders({DISCOVERY_PORT, *PAIRING_PORTS}))


async def addresses(setting: Setting, notes: Notes) -> None:
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


async def self_call(_: Setting, notes: Notes) -> None:
    """Whether the device reaches itself at each of its addresses, over TCP and UDP.

    Such a call never leaves the host: it shows that an address is ours and that nothing inside the host is in the
    way, and nothing about others.
    """
    faults: list[str] = []
    slots = asyncio.Semaphore(SELF_CALLS)
    async with Mirror() as mirror:
        notes.fact("port", mirror.sockets.tcp_port)
        async with asyncio.TaskGroup() as calls:
            for interface in read_interfaces().interfaces:
                for details in interface.addresses:
                    calls.create_task(_reach(mirror, interface, details, slots, notes, faults))
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


async def _reach(
    mirror: Mirror,
    interface: Interface,
    details: InterfaceAddress,
    slots: asyncio.Semaphore,
    notes: Notes,
    faults: list[str],
) -> None:
    row: dict[str, Json] = {"address": str(details.address), "interface": interface.name, "up": interface.up}
    if details.tentative or classify(details.address) is AddressClass.UNSPECIFIED:
        notes.add("calls", {**row, "skipped": "not usable yet: duplicate address detection"})
        return
    scope = scope_of(details.address, interface.index)
    async with slots:
        row["tcp"] = await _timed(_over_tcp(mirror, details.address, scope))
        row["udp"] = await _timed(mirror.datagram(details.address, scope))
    notes.add("calls", row)
    for kind in ("tcp", "udp"):
        facts = row[kind]
        if interface.up and isinstance(facts, dict) and facts["outcome"] != "ok":
            faults.append(f"{details.address} over {kind.upper()} ({facts.get('errno', 'no answer')})")


async def _over_tcp(mirror: Mirror, address: IPAddress, scope: int) -> None:
    answer = await mirror.call(address, scope, mirror.sockets.tcp_port)
    if not answer.confirmed:
        raise ConnectionResetError(errno.ECONNRESET, answer.reason)


async def _timed(action: Awaitable[None]) -> Facts:
    started = time.monotonic()
    try:
        await action
    except (OSError, EOFError) as error:
        failed = (
            error if isinstance(error, OSError) else ConnectionResetError(errno.ECONNRESET, "closed early")
        )
        return outcome(failed, started, time.monotonic())
    return outcome(None, started, time.monotonic())


def _discovery(family: socket.AddressFamily, wildcard: str) -> Facts:
    """Bind the discovery port as every instance does, and once for us alone: that fails where another one runs."""
    shared = _bind(family, socket.SOCK_DGRAM, wildcard, DISCOVERY_PORT, share=True)
    alone = _bind(family, socket.SOCK_DGRAM, wildcard, DISCOVERY_PORT, share=False)
    return {
        "family": f"IPv{4 if family == socket.AF_INET else 6}",
        "shared": shared.get("errno", "ok"),
        "alone": alone.get("errno", "ok"),
    }


def _pairing(port: int) -> list[Facts]:
    rows: list[Facts] = []
    for family, wildcard in families():
        for kind, name in _KINDS:
            result = _bind(family, kind, wildcard, port, share=False)
            rows.append(
                {"port": port, "kind": name, "family": 4 if family == socket.AF_INET else 6, **result}
            )
    return rows


def _bind(
    family: socket.AddressFamily, kind: socket.SocketKind, wildcard: str, port: int, *, share: bool
) -> Facts:
    """Try one bind (and listen); nothing is sent or accepted."""
    started = time.monotonic()
    try:
        with socket.socket(family, kind) as one:
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if share or kind is socket.SOCK_STREAM:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((wildcard, port))
            if kind is socket.SOCK_STREAM:
                one.listen(1)
    except OSError as error:
        return outcome(error, started, time.monotonic())
    return outcome(None, started, time.monotonic())


def _tell_ports(shared: list[Facts], free: list[int], notes: Notes) -> None:
    for row in shared:
        if row["shared"] != "ok":
            notes.fail(f"UDP port {DISCOVERY_PORT} cannot be shared over {row['family']} ({row['shared']})")
    if free:
        notes.say(f"{len(free)} of {len(PAIRING_PORTS)} pairing ports are free, {free[0]} is the first")
    else:
        notes.fail("no pairing port is free: another number will be used, which a firewall may not know")
    if any(row["alone"] == "EADDRINUSE" and row["shared"] == "ok" for row in shared):
        notes.say(f"another program listens on UDP port {DISCOVERY_PORT} too")


def _holders(wanted: set[int]) -> Json:
    """Who has these ports, as far as the system tells us without privileges: names of programs, no arguments."""
    import psutil

    try:
        connections = psutil.net_connections(kind="inet")
    except (psutil.Error, OSError) as error:
        return f"not told: {type(error).__name__}"
    found: set[str] = set()
    for connection in connections:
        if connection.laddr and connection.laddr.port in wanted and not connection.raddr:
            found.add(f"{connection.laddr.port}: {_program(connection.pid)}")
    return sorted(found)


def _program(pid: int | None) -> str:
    import psutil

    if pid is None:
        return "a program of another user"
    try:
        return f"{psutil.Process(pid).name()} (process {pid})"
    except psutil.Error:
        return f"process {pid}"
