"""Addresses that one machine takes from another: neighbours learn of it, and the oracle knows."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from typing import TYPE_CHECKING

import pytest
from localpair_lab import plan as p
from localpair_lab.engines.namespace.engine import NamespaceEngine
from localpair_lab.fabric import services
from localpair_lab.fabric.compiler.network import Compiler, compiler
from localpair_lab.oracle.states import after

import lab_plans as plans

if TYPE_CHECKING:
    from pathlib import Path

    from localpair_lab.engines.namespace.running import NamespaceRunning

SHARED = "192.168.1.1/24"
MOVE = p.MoveAddress("spare/eth0", "gate/eth0", SHARED)
ASK = (
    "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1);"
    "s.connect(('192.168.1.1', 7)); s.send(b'x')\n"
    "try: s.recv(1)\nexcept OSError: pass"
)


def network() -> p.Plan:
    """Two routers, the first of which has the address that alice calls."""
    gate = plans.router("gate", plans.ethernet(12, "192.168.1.2/24", SHARED))
    spare = plans.router("spare", plans.ethernet(13, "192.168.1.3/24"))
    return plans.plan(gate, spare, plans.alice())


def test_the_oracle_follows_the_address() -> None:
    changed = after(network(), MOVE)
    assert changed.interface("gate/eth0").addresses == ("192.168.1.2/24",)
    assert changed.interface("spare/eth0").addresses == ("192.168.1.3/24", SHARED)


def test_an_address_goes_back() -> None:
    back = dataclasses.replace(MOVE, port="gate/eth0", holder="spare/eth0")
    assert after(after(network(), MOVE), back).interface("gate/eth0").addresses == ("192.168.1.2/24", SHARED)


async def known(up: NamespaceRunning) -> str:
    """What alice's neighbour table says of the shared address."""
    shower = await up.start("alice", ["ip", "neighbour", "show", "192.168.1.1"], {})
    return " ".join([line.text async for line in shower.lines()])


@pytest.mark.netns
@pytest.mark.parametrize("told", [True, False])
def test_neighbours_know_it_because_they_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    every = list(compiler(network()).change(MOVE))
    wanted = [step for step in every if told or not isinstance(step, services.AnnounceAddress)]
    monkeypatch.setattr(Compiler, "change", lambda *_: iter(wanted))

    async def run() -> None:
        engine = NamespaceEngine(product=["true"], prober=lambda _: [])
        up = await engine.up(network(), tmp_path)
        try:
            caller = await up.start("alice", [sys.executable, "-S", "-c", ASK], {})
            await caller.wait()
            assert plans.mac(12) in await known(up)
            await up.apply(MOVE)
            assert (plans.mac(13) in await known(up)) is told
        finally:
            await up.down()

    asyncio.run(run())
