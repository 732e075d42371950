"""Addresses held by a lease: the two sides of the protocol over virtual time, and a network that needs both."""

from __future__ import annotations

import asyncio
import dataclasses
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from localpair_lab import plan as p
from localpair_lab.engines import network
from localpair_lab.engines.namespace.engine import NamespaceEngine
from localpair_lab.errors import LabError
from localpair_lab.fabric.compiler.network import Compiler
from localpair_lab.fabric.traffic import dhcp

import lab_plans as plans
from lab_canaries import between, play

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from localpair_lab.engines.namespace.running import NamespaceRunning

MAC = bytes.fromhex("02000000000b")
OTHER = bytes.fromhex("02000000000c")


def exchange(holder: dhcp.LeaseHolder, table: dhcp.LeaseTable, now: float) -> list[int]:
    """What the client asks at ``now`` until it asks no more, answered by the server; the kinds of all messages."""
    kinds, asked = [], holder.ask(now)
    while asked is not None:
        on_wire = dhcp.parse(dhcp.packet(asked, "0.0.0.0", "255.255.255.255"), dhcp.SERVER_PORT)
        assert on_wire is not None
        kinds.append(asked.kind)
        answer = table.answer(on_wire)
        if answer is None:
            break
        back = dhcp.parse(dhcp.packet(answer, table.address, "255.255.255.255"), dhcp.CLIENT_PORT)
        assert back is not None
        kinds.append(back.kind)
        asked = holder.hear(back, now)
    return kinds


@pytest.fixture
def table() -> dhcp.LeaseTable:
    return dhcp.LeaseTable("192.168.1.1", {MAC: "192.168.1.20/24"}, 4)


@pytest.fixture
def holder() -> dhcp.LeaseHolder:
    return dhcp.LeaseHolder(MAC)


def test_a_client_gets_its_address_in_four_messages(holder: dhcp.LeaseHolder, table: dhcp.LeaseTable) -> None:
    assert exchange(holder, table, 10) == [dhcp.DISCOVER, dhcp.OFFER, dhcp.REQUEST, dhcp.ACK]
    assert (holder.address, holder.due, holder.expires) == ("192.168.1.20/24", 12, 14)


def test_a_lease_is_renewed_after_half_of_its_time(holder: dhcp.LeaseHolder, table: dhcp.LeaseTable) -> None:
    exchange(holder, table, 10)
    assert exchange(holder, table, 11.9) == []
    assert exchange(holder, table, 12) == [dhcp.REQUEST, dhcp.ACK]
    assert (holder.address, holder.expires) == ("192.168.1.20/24", 16)


def test_another_address_takes_the_place_of_the_old_one(
    holder: dhcp.LeaseHolder, table: dhcp.LeaseTable
) -> None:
    exchange(holder, table, 10)
    table.leases[MAC] = "192.168.1.77/24"
    refused = [dhcp.REQUEST, dhcp.NAK]
    assert exchange(holder, table, 12) == [*refused, dhcp.DISCOVER, dhcp.OFFER, dhcp.REQUEST, dhcp.ACK]
    assert holder.address == "192.168.1.77/24"


def test_a_lease_that_nobody_renews_runs_out(holder: dhcp.LeaseHolder, table: dhcp.LeaseTable) -> None:
    exchange(holder, table, 10)
    table.leases.clear()
    assert exchange(holder, table, 12) == [dhcp.REQUEST]
    assert holder.address == "192.168.1.20/24"
    assert exchange(holder, table, 14) == [dhcp.DISCOVER]
    assert holder.address == ""


def test_answers_to_others_are_nothing(holder: dhcp.LeaseHolder, table: dhcp.LeaseTable) -> None:
    table.leases[OTHER] = "192.168.1.30/24"
    asked = holder.ask(10)
    assert asked is not None
    foreign = table.answer(dataclasses.replace(asked, mac=OTHER))
    late = table.answer(dataclasses.replace(asked, transaction=asked.transaction + 1))
    assert foreign is not None
    assert late is not None
    assert holder.hear(foreign, 10) is None
    assert holder.hear(late, 10) is None
    assert holder.offered is None


@pytest.mark.parametrize("data", [b"", b"\x45" + bytes(19), b"\x45" + bytes(400)])
def test_other_packets_are_no_messages(data: bytes) -> None:
    assert dhcp.parse(data, dhcp.CLIENT_PORT) is None


# --- In a network


def leased(*, served: bool = True) -> p.Plan:
    """Bob has his address from alice, for two seconds."""
    bob = plans.ethernet(11, "192.168.1.11/24", leased=True)
    segment = p.Segment("lan", leases=p.Leases("alice/eth0", 2) if served else None)
    return plans.plan(plans.alice(), plans.device("bob", bob), segments=(segment,))


@asynccontextmanager
async def standing(plan: p.Plan, folder: Path) -> AsyncIterator[NamespaceRunning]:
    engine = NamespaceEngine(product=["true"], prober=lambda _: between("alice/eth0", "bob/eth0"))
    up = await engine.up(plan, folder)
    try:
        yield up
    finally:
        await up.down()


@pytest.mark.netns
def test_a_client_whose_firewall_lets_nothing_in_has_its_lease(tmp_path: Path) -> None:
    plan = leased()
    closed = dataclasses.replace(plan.node("bob"), chains=(plans.CLOSED,))
    open_ = dataclasses.replace(plan, nodes=(plan.node("alice"), closed))
    nothing = dict.fromkeys(
        ("udp", "tcp", "udp6", "tcp6", "multicast", "multicast_link", "multicast6"), False
    )
    play(
        open_, between("alice/eth0", "bob/eth0", **nothing, broadcast=False, broadcast_subnet=False), tmp_path
    )


@pytest.mark.netns
def test_a_network_without_its_server_does_not_stand(tmp_path: Path) -> None:
    with pytest.raises(
        LabError, match=r"bob/eth0 has no address from the DHCP server, not 192\.168\.1\.11/24"
    ):
        play(leased(served=False), [], tmp_path)


@pytest.mark.netns
def test_a_lease_changes_and_runs_out(tmp_path: Path) -> None:
    async def run() -> None:
        async with standing(leased(), tmp_path) as up:
            await up.apply(p.ChangeLease("bob/eth0", ("192.168.1.77/24",)))
            assert await own(up) == "192.168.1.77/24 brd 192.168.1.255 scope global dynamic eth0"
            await up.apply(p.ChangeLease("bob/eth0", ("169.254.7.11/16",), granted=False))
            assert await own(up) == "169.254.7.11/16 brd 169.254.255.255 scope global eth0"
            await up.apply(p.ChangeLease("bob/eth0", ("192.168.1.11/24",)))
            assert await own(up) == "192.168.1.11/24 brd 192.168.1.255 scope global dynamic eth0"

    asyncio.run(run())


async def own(up: NamespaceRunning) -> str:
    """Bob's IPv4 addresses, as ip shows them."""
    shower = await up.start("bob", ["ip", "-4", "-o", "address", "show", "dev", "eth0"], {})
    lines = [line.text async for line in shower.lines()]
    await shower.wait()
    return "; ".join(" ".join(line.partition("inet ")[2].partition("\\")[0].split()) for line in lines)


@pytest.mark.netns
def test_a_server_that_is_not_told_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_LATE_S", 1.0)

    async def run() -> None:
        async with standing(leased(), tmp_path) as up:
            change = p.ChangeLease("bob/eth0", ("192.168.1.77/24",))
            untold = dataclasses.replace(change, addresses=("192.168.1.11/24",))
            told = network.compiler(leased()).change(untold)
            monkeypatch.setattr(Compiler, "change", lambda *_: told)
            with pytest.raises(
                LabError, match=r"bob/eth0 has 192\.168\.1\.11/24 and should have 192\.168\.1\.77/24"
            ):
                await up.apply(change)

    asyncio.run(run())
