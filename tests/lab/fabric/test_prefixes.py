"""Router advertisements: what a router says, and hosts that make addresses of it."""

from __future__ import annotations

import asyncio
import dataclasses
import struct
from typing import TYPE_CHECKING

import pytest
from localpair_lab import plan as p
from localpair_lab.engines.namespace.engine import NamespaceEngine
from localpair_lab.errors import LabError
from localpair_lab.fabric.compiler.network import Compiler, compiler
from localpair_lab.fabric.traffic.advertising import Announced
from localpair_lab.oracle.states import after
from localpair_lab.plan.build.addressing import autoconfigured

import lab_plans as plans
from lab_canaries import play, probe

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = "fd12:34:56:1::/64", "fd12:34:57:9::/64"
AT_OLD, AT_NEW = (autoconfigured(prefix, plans.mac(11)) for prefix in (OLD, NEW))
HEARS, DEAF = (
    (("net.ipv6.conf.eth0.accept_ra", level), ("net.ipv6.conf.eth0.use_tempaddr", "0")) for level in "20"
)


def advertised(*, heard: bool = True) -> p.Plan:
    """Bob makes his address of what alice advertises."""
    bob = plans.ethernet(11, "192.168.1.11/24", AT_OLD, autoconf=True)
    settings = (*plans.device("bob", bob).sysctls, *(HEARS if heard else DEAF))
    alice = plans.device("alice", plans.ethernet(10, "192.168.1.10/24", "fd12:34:56:1::1/64"))
    segment = p.Segment("lan", advertised=p.Advertised("alice/eth0", (OLD,)))
    return plans.plan(alice, plans.device("bob", bob, sysctls=settings), segments=(segment,))


def test_an_advertisement_says_what_is_current_and_what_is_deprecated() -> None:
    data = Announced(plans.mac(10), (NEW,), (OLD,)).message()
    assert data[0] == 134
    first, second = data[24:56], data[56:88]
    assert [(one[0], one[2], struct.unpack("!II", one[4:12])[1] > 0) for one in (first, second)] == [
        (3, 64, True),
        (3, 64, False),
    ]


def test_the_oracle_knows_both_addresses_and_prefers_the_new_one() -> None:
    changed = after(advertised(), p.SetPrefixes("lan", (NEW,), (OLD,)))
    assert changed.interface("bob/eth0").addresses == (AT_NEW, "192.168.1.11/24", AT_OLD)


@pytest.mark.netns
def test_hosts_make_addresses_and_keep_deprecated_ones(tmp_path: Path) -> None:
    to_old = probe("tcp", "alice/eth0", "bob/eth0", AT_OLD.partition("/")[0], True)

    async def run() -> None:
        engine = NamespaceEngine(product=["true"], prober=lambda _: [to_old])
        up = await engine.up(advertised(), tmp_path)
        try:
            await up.apply(p.SetPrefixes("lan", (NEW,), (OLD,)))
            shower = await up.start(
                "bob", ["ip", "-6", "-o", "address", "show", "dev", "eth0", "scope", "global"], {}
            )
            shown = {line.text.split()[3]: "deprecated" in line.text async for line in shower.lines()}
            assert shown == {AT_NEW: False, AT_OLD: True}
            routes = await up.start("bob", ["ip", "-6", "route", "show", "default"], {})
            (default,) = [line.text async for line in routes.lines()]
            assert f"via {plans.link_local(10)} dev eth0 proto ra metric 1024" in default
        finally:
            await up.down()

    asyncio.run(run())


@pytest.mark.netns
def test_a_host_that_hears_no_router_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=f"router advertisements did not come: bob has no {AT_OLD}"):
        play(advertised(heard=False), [], tmp_path)


@pytest.mark.netns
def test_a_router_that_says_nothing_new_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (told,) = compiler(advertised()).change(p.SetPrefixes("lan", (OLD,)))
    wrong = dataclasses.replace(told, hosts=(("bob", AT_NEW),))  # type: ignore[call-arg]
    monkeypatch.setattr(Compiler, "change", lambda *_: iter([wrong]))

    async def run() -> None:
        engine = NamespaceEngine(product=["true"], prober=lambda _: [])
        up = await engine.up(advertised(), tmp_path)
        try:
            with pytest.raises(LabError, match=f"bob has no {AT_NEW}"):
                await up.apply(p.SetPrefixes("lan", (NEW,), (OLD,)))
        finally:
            await up.down()

    asyncio.run(run())
