"""What a scenario's parts must agree on: names that exist, addresses that fit, moments that come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from ipaddress import ip_address, ip_interface, ip_network

from lab.interfaces import interface_names
from lab.parts.actions import Act
from lab.parts.machines import Machine, NetworkInterface
from lab.parts.moments import ACTION_EVENTS, Moment
from lab.problems import Where, meant
from lab.scenario import MARKERS, Scenario

RESERVED = ("fabric", "lab")


@dataclass(frozen=True, slots=True)
class Slip:
    """One disagreement, where it stands, and what may have been meant.

    ``name`` is the word that names nothing, where that is the trouble; it tells apart what stays true of a
    scenario of which parts could not be read.
    """

    where: Where
    message: str
    meant: str = ""
    name: str = ""


def check(scenario: Scenario) -> Iterator[Slip]:
    """Everything in ``scenario`` that does not fit together, in no order."""
    yield from _check_markers(scenario)
    yield from _check_machines(scenario)
    yield from _check_networks(scenario)
    yield from _check_acts(scenario)
    yield from _check_events(scenario)
    yield from _check_impairments(scenario)
    yield from _check_expectations(scenario)


def _known(where: Where, what: str, word: str, known: Iterable[str]) -> Iterator[Slip]:
    names = list(known)
    if word not in names:
        close = meant(word, names)
        listed = "" if close else f"; there is {', '.join(names)}" if names else "; there is none"
        yield Slip(where, f"there is no {what} {word!r}{listed}", close, word)


def _check_markers(scenario: Scenario) -> Iterator[Slip]:
    for number, marker in enumerate(scenario.markers):
        yield from _known(("markers", number), "marker", marker, MARKERS)
    if scenario.quarantine is not None:
        try:
            until = date.fromisoformat(scenario.quarantine.until)
        except ValueError:
            yield Slip(("quarantine", "until"), f"{scenario.quarantine.until} is no day of the calendar")
            return
        if until <= datetime.now(UTC).date():
            yield Slip(
                ("quarantine", "until"), f"the quarantine ended on {until}; mend the scenario or remove it"
            )


# --- Machines ------------------------------------------------------------


def _check_machines(scenario: Scenario) -> Iterator[Slip]:
    seen: dict[str, str] = {}
    for group in ("devices", "routers", "decoys"):
        for name, machine in getattr(scenario, group).items():
            if name in seen:
                yield Slip((group, name), f"{name!r} is a name among the {seen[name]} already")
            seen[name] = group
            if name in RESERVED:
                yield Slip((group, name), f"{name!r} is a name that the lab keeps for itself")
            yield from _check_machine(scenario, (group, name), machine)
    for name, router in scenario.routers.items():
        for key, entries in (("nat", router.nat), ("publish", router.publish), ("one_way", router.one_way)):
            yield from _check_router_networks(scenario, ("routers", name, key), entries)
    yield from _check_twins(scenario)


def _check_router_networks(scenario: Scenario, where: Where, entries: Iterable[object]) -> Iterator[Slip]:
    for number, entry in enumerate(entries):
        for key in ("out", "on", "source", "to"):
            value = getattr(entry, key, None)
            if isinstance(value, str) and not value[:1].isdigit():
                alias = "from" if key == "source" else key
                yield from _known((*where, number, alias), "network", value, scenario.networks)


def _check_machine(scenario: Scenario, where: Where, machine: Machine) -> Iterator[Slip]:
    names = interface_names(machine)
    for spot, interface in interface_places(machine):
        yield from _check_interface(scenario, (*where, *spot), interface)
    if not names:
        yield Slip(where, "it has no interface; give it one with `on: {network: address}`")
    for name in {name for name in names if names.count(name) > 1}:
        yield Slip(where, f"two interfaces are called {name!r}")
    for number, name in enumerate(machine.order):
        yield from _known((*where, "order", number), "interface", name, names)
    if machine.order and sorted(machine.order) != sorted(names):
        yield Slip((*where, "order"), f"must name every interface once: {', '.join(names)}")
    for number, route in enumerate(machine.routes):
        if route.on is not None:
            yield from _known((*where, "routes", number, "on"), "interface", route.on, names)
        if route.on is None and route.via is None and route.kind == "unicast":
            yield Slip((*where, "routes", number), "a route needs `via`, `on` or both")
    for key, chain in (("in", machine.firewall.inward), ("out", machine.firewall.outward)):
        for number, rule in enumerate(chain.rules if chain else ()):
            if rule.on is not None:
                spot = (*where, "firewall", key, "rules", number, "on")
                yield from _known(spot, "interface", rule.on, names)


def interface_places(machine: Machine) -> Iterator[tuple[Where, NetworkInterface]]:
    """Every interface of the machine with where it is written."""
    for key, interface in machine.on.items():
        yield ("on", key), interface
    for number, interface in enumerate(machine.interfaces):
        yield ("interfaces", number), interface


def _check_interface(scenario: Scenario, where: Where, interface: NetworkInterface) -> Iterator[Slip]:
    if (interface.network is None) == (interface.bridge is None):
        yield Slip(where, "an interface is on a `network` or is a `bridge`, one of the two")
        return
    if interface.network is None:
        for number, host in enumerate(interface.ip):
            if "/" not in host:
                yield Slip(
                    (*where, "ip", number), f"a bridge's address needs its prefix length, such as {host}/16"
                )
        return
    yield from _known(where, "network", interface.network, scenario.networks)
    network = scenario.networks.get(interface.network)
    for number, host in enumerate(interface.ip if network is not None else ()):
        yield from _check_address((*where, "ip", number), host, network.ip if network else ())


def _check_address(where: Where, host: str, prefixes: Iterable[str]) -> Iterator[Slip]:
    if host == "auto":
        return
    if "/" not in host:
        if not any(ip_address(host) in ip_network(prefix) for prefix in prefixes):
            listed = ", ".join(prefixes) or "no prefix"
            yield Slip(
                where,
                f"{host} is in no prefix of the network ({listed}); write it with its length if it is meant",
            )
        return
    interface = ip_interface(host)
    if interface.version == 4 and interface.network.prefixlen < 31:
        if interface.ip == interface.network.network_address:
            yield Slip(where, f"{host} is the network's own address, no host's")
        if interface.ip == interface.network.broadcast_address:
            yield Slip(where, f"{host} is the subnet's broadcast address, no host's")


def _check_twins(scenario: Scenario) -> Iterator[Slip]:
    """The same address twice on one network: a mistake in a topology; a thief comes by an event."""
    taken: dict[tuple[str, str], str] = {}
    for group in ("devices", "routers", "decoys"):
        for name, machine in getattr(scenario, group).items():
            for spot, interface in interface_places(machine):
                for number, host in enumerate(
                    interface.ip if interface.network and interface.present else ()
                ):
                    key = (interface.network or "", host.partition("/")[0])
                    if key in taken and host != "auto":
                        where = (group, name, *spot, "ip", number)
                        yield Slip(where, f"{host} on {interface.network} is {taken[key]}'s already")
                    taken[key] = name


# --- Networks ------------------------------------------------------------


def _check_networks(scenario: Scenario) -> Iterator[Slip]:
    for name, network in scenario.networks.items():
        where: Where = ("networks", name)
        if not 68 <= network.mtu <= 65535:
            yield Slip((*where, "mtu"), f"{network.mtu} is no MTU; 68 to 65535")
        if network.kind == "lan" and network.hub:
            yield Slip((*where, "hub"), "only a network of `kind: tunnel` has a hub")
        if network.kind == "tunnel" and not network.hub:
            yield Slip(where, "a tunnel needs the address of its `hub`, the far end")
        for number, drop in enumerate(network.drops):
            yield from _check_ports(scenario, (*where, "drops", number, "frames_from"), drop.frames_from)
            yield from _check_ports(scenario, (*where, "drops", number, "frames_to"), drop.frames_to)
        yield from _check_ports(scenario, (*where, "multicast", "frames_from"), network.multicast.frames_from)
        yield from _check_ports(scenario, (*where, "multicast", "frames_to"), network.multicast.frames_to)
        if isinstance(network.isolation, tuple):
            yield from _check_ports(scenario, (*where, "isolation"), network.isolation)


def _check_ports(scenario: Scenario, where: Where, ports: Iterable[str]) -> Iterator[Slip]:
    for number, port in enumerate(ports):
        yield from _check_port(scenario, (*where, number), port)


def _check_port(scenario: Scenario, where: Where, port: str) -> Iterator[Slip]:
    owner, _, name = port.partition("/")
    machines = scenario.machines()
    yield from _known(where, "device", owner, machines)
    if owner not in machines:
        return
    names = interface_names(machines[owner])
    if name:
        yield from _known(where, f"interface of {owner}", name, names)
    elif len(names) != 1:
        yield Slip(
            where, f"{owner} has {len(names)} interfaces; write {owner}/{names[0] if names else 'eth0'}"
        )


# --- What happens ------------------------------------------------------------


def _identities(scenario: Scenario) -> list[str]:
    return [act.identity for act in scenario.acts()]


def _check_acts(scenario: Scenario) -> Iterator[Slip]:
    if scenario.pair is not None:
        for key in ("host", "join"):
            yield from _known(("pair", key), "device", getattr(scenario.pair, key), scenario.devices)
        if scenario.pair.join_at is not None:
            yield from _check_moment(scenario, ("pair", "join_at"), scenario.pair.join_at)
    if scenario.pair is None and not scenario.actions:
        yield Slip((), "nothing happens: write `pair: {host: ..., join: ...}` or `actions`")
    seen = ["host", "join"] if scenario.pair is not None else []
    for number, act in enumerate(scenario.actions):
        where: Where = ("actions", number)
        if act.identity in seen:
            yield Slip(
                where, f"there is an action {act.identity!r} already; give this one an `id` of its own"
            )
        seen.append(act.identity)
        yield from _check_act(scenario, where, act)


def _check_act(scenario: Scenario, where: Where, act: Act) -> Iterator[Slip]:
    yield from _known((*where, "on"), "device", act.on, scenario.devices)
    yield from _check_moment(scenario, (*where, "at"), act.at)
    if act.offer is not None:
        yield from _known((*where, "offer"), "action", act.offer, _identities(scenario))
    if act.do == "join" and act.offer is None:
        yield Slip(where, "a joiner needs an `offer`: the id of the action that shows it")
    if act.stop is not None:
        yield from _check_moment(scenario, (*where, "stop", "at"), act.stop.at)


def _check_moment(scenario: Scenario, where: Where, moment: Moment) -> Iterator[Slip]:
    if not moment.who:
        return
    events = [event.id for event in scenario.events if event.id]
    yield from _known(where, "action or event", moment.who, [*_identities(scenario), *events])
    if moment.who in _identities(scenario):
        yield from _known(where, f"event of {moment.who}", moment.what, ACTION_EVENTS)
    elif moment.who in events and moment.what != "done":
        yield Slip(where, f"a change of the network has only the event {moment.who}.done")


def _check_events(scenario: Scenario) -> Iterator[Slip]:
    seen = _identities(scenario)
    for number, event in enumerate(scenario.events):
        where: Where = ("events", number)
        yield from _check_moment(scenario, (*where, "at"), event.at)
        if event.id is not None and event.id in seen:
            yield Slip((*where, "id"), f"{event.id!r} is taken")
        seen.append(event.id or "")
        if hasattr(event, "interface"):
            yield from _check_port(scenario, (*where, "interface"), event.interface)
        if hasattr(event, "device"):
            yield from _known((*where, "device"), "device", event.device, scenario.machines())
        for key in ("network", "to"):
            if hasattr(event, key):
                yield from _known((*where, key), "network", getattr(event, key), scenario.networks)


def _check_impairments(scenario: Scenario) -> Iterator[Slip]:
    for number, impair in enumerate(scenario.impair):
        yield from _check_ports(scenario, ("impair", number, "at"), impair.at)


def _check_expectations(scenario: Scenario) -> Iterator[Slip]:
    if not scenario.expect:
        yield Slip(("expect",), "a scenario without an expectation proves nothing")
    for number, expect in enumerate(scenario.expect):
        where: Where = ("expect", number)
        for index, name in enumerate(expect.of):
            yield from _known((*where, "of", index), "action", name, _identities(scenario))
        if expect.path is not None and expect.path.network is not None:
            yield from _known((*where, "path", "network"), "network", expect.path.network, scenario.networks)
        for key in ("finds", "not_finds"):
            for index, name in enumerate(getattr(expect, key)):
                yield from _known((*where, key, index), "device", name, scenario.devices)
        if expect.verdict and not expect.not_verdict:
            yield Slip(
                where,
                "a verdict needs `not_verdict` beside it: a diagnosis that always says the same must fail",
            )
        if expect.model_fields_set == {"of"}:
            yield Slip(where, "it expects nothing; add `outcome`, `within`, `path`, ...")
