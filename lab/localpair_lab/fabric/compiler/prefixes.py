"""The router advertisements of a plan as steps. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localpair_lab.fabric import services
from localpair_lab.plan.build.addressing import autoconfigured

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localpair_lab import plan as p
    from localpair_lab.plan.model import Plan
    from localpair_lab.plan.topology import NodeInterface, Segment


def is_autoconfigured(plan: Plan, interface: NodeInterface, address: str) -> bool:
    """Whether the interface makes the address of what is advertised on its segment at the start."""
    if not interface.autoconf:
        return False
    advertised = plan.segment(interface.segment).advertised
    return advertised is not None and address in [
        autoconfigured(prefix, interface.mac) for prefix in advertised.prefixes
    ]


def routers(plan: Plan) -> Iterator[services.AdvertisePrefixes]:
    """Each segment's, with the hosts that are there."""
    for segment in plan.segments:
        if segment.advertised is not None:
            yield _step(plan, segment, segment.advertised, segment.advertised.prefixes, ())


def change(plan: Plan, change: p.SetPrefixes) -> Iterator[services.AdvertisePrefixes]:
    """What the router of a segment advertises from now on."""
    segment = plan.segment(change.segment)
    if segment.advertised is not None:
        yield _step(plan, segment, segment.advertised, change.prefixes, change.deprecated)


def _step(
    plan: Plan, segment: Segment, by: p.Advertised, prefixes: tuple[str, ...], deprecated: tuple[str, ...]
) -> services.AdvertisePrefixes:
    place, _, link = by.router.partition("/")
    router = plan.interface(by.router)
    hosts = tuple(
        (port.partition("/")[0], autoconfigured(prefix, plan.interface(port).mac))
        for port in plan.ports(segment.name)
        if plan.interface(port).autoconf
        for prefix in prefixes
    )
    source = router.link_local.partition("/")[0]
    return services.AdvertisePrefixes(place, link, source, router.mac, prefixes, deprecated, hosts)
