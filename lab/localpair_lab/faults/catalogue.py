"""Every fault that can be put into a topology, with how often it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from localpair_lab.faults import between, devices
from localpair_lab.faults.fault import InjectedFault
from localpair_lab.generate.builder import Draft

Injection: TypeAlias = Callable[[Draft], InjectedFault | None]
"""Puts a fault into a topology; None where the topology has no place for it, and may be spoilt by then."""

FAULTS: Mapping[Injection, float] = {
    devices.pull_cable: 6,
    devices.switch_off: 5,
    devices.take_addresses: 5,
    devices.refuse_sends: 8,
    devices.shut_both: 12,
    devices.shut_one: 4,
    devices.filter_strictly: 5,
    devices.clone_key: 3,
    devices.kill_host: 4,
    between.isolate: 10,
    between.part: 10,
    between.split_families: 5,
    between.drop_calls: 8,
    between.block_router: 6,
    between.translate: 3,
    between.silence: 5,
    between.double_address: 3,
    between.double_hardware: 3,
    between.stand_in: 6,
    between.lose: 4,
    between.swallow: 4,
}
UNSEEN = frozenset({devices.clone_key, devices.kill_host, between.swallow})
"""Those that close no path, so that the oracle knows of a way all the same."""
