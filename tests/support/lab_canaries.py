"""Shorthand for canary probes on the plans of ``lab_plans.py``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from localpair_lab.engines.namespace.engine import NamespaceEngine
from localpair_lab.plan.probe import Probe

if TYPE_CHECKING:
    from pathlib import Path

    from localpair_lab import plan as p

PORT = 46821


def probe(kind: str, source: str, target: str, address: str, expected: bool | None) -> Probe:
    identity = f"{kind} {source} {target} {address}"
    return Probe(identity, kind, source, target, address, PORT, expected)  # type: ignore[arg-type]


def between(source: str, target: str, **arrives: bool) -> list[Probe]:
    """Probes from ``source`` to ``target`` (alice and bob of ``lab_plans``); what ``arrives`` does not name
    does.
    """
    addresses = {
        "udp": {"alice/eth0": "192.168.1.10", "bob/eth0": "192.168.1.11"}[target],
        "tcp": {"alice/eth0": "192.168.1.10", "bob/eth0": "192.168.1.11"}[target],
        "udp6": {"alice/eth0": "fe80::ff:fe00:a", "bob/eth0": "fe80::ff:fe00:b"}[target],
        "tcp6": {"alice/eth0": "fe80::ff:fe00:a", "bob/eth0": "fe80::ff:fe00:b"}[target],
        "multicast": "239.255.70.171",
        "multicast-link": "224.0.0.171",
        "multicast6": "ff12::6c70:6169:7273",
        "broadcast": "255.255.255.255",
        "broadcast-subnet": "192.168.1.255",
    }
    return [
        probe(
            word.rstrip("6").partition("-")[0],
            source,
            target,
            address,
            arrives.get(word.replace("-", "_"), True),
        )
        for word, address in addresses.items()
    ]


def play(plan: p.Plan, probes: list[Probe], folder: Path) -> None:
    """Build the plan and send the probes; raises LabError where they do not do what they should."""

    async def run() -> None:
        engine = NamespaceEngine(product=["true"], prober=lambda _: probes)
        running = await engine.up(plan, folder)
        await running.down()

    asyncio.run(run())
