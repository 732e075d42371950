"""What a scenario's parts must agree on: names that exist, addresses that fit, moments that come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime

from localpair_lab.loading.checks.conflicts import Conflict, check_port, check_ports, known
from localpair_lab.loading.checks.leases import check_lease_event, check_server
from localpair_lab.loading.checks.machines import check_machines
from localpair_lab.loading.checks.moves import check_take_over
from localpair_lab.loading.checks.prefixes import check_advertised, check_prefix_event
from localpair_lab.loading.checks.programs import check_expected_files, check_program, events_of
from localpair_lab.loading.checks.trunks import check_trunk_event, on_trunk
from localpair_lab.loading.problems import Where
from localpair_lab.model.actions import Act
from localpair_lab.model.events import LeaseChange, Move, Renumber
from localpair_lab.model.interface_names import named_interfaces, speaks_ipv6
from localpair_lab.model.moments import ACTION_EVENTS, Moment
from localpair_lab.model.programs import ProgramAct
from localpair_lab.model.scenario import Scenario
from localpair_lab.model.words.markers import MARKERS
from localpair_lab.model.words.variables import unfit


def check(scenario: Scenario) -> Iterator[Conflict]:
    """Everything in ``scenario`` that does not fit together, in no order."""
    yield from _check_markers(scenario)
    yield from check_machines(scenario)
    yield from _check_networks(scenario)
    for name, device in scenario.devices.items():
        yield from _check_variables(("devices", name, "environment"), device.environment)
    yield from _check_acts(scenario)
    yield from _check_events(scenario)
    yield from _check_impairments(scenario)
    yield from _check_expectations(scenario)


def _check_markers(scenario: Scenario) -> Iterator[Conflict]:
    for number, marker in enumerate(scenario.markers):
        yield from known(("markers", number), "marker", marker, MARKERS)
    if scenario.quarantine is not None:
        try:
            until = date.fromisoformat(scenario.quarantine.until)
        except ValueError:
            yield Conflict(("quarantine", "until"), f"{scenario.quarantine.until} is no day of the calendar")
            return
        if until <= datetime.now(UTC).date():
            yield Conflict(
                ("quarantine", "until"), f"the quarantine ended on {until}; mend the scenario or remove it"
            )


# --- Networks ------------------------------------------------------------


def _check_networks(scenario: Scenario) -> Iterator[Conflict]:
    for name, network in scenario.networks.items():
        where: Where = ("networks", name)
        if not 68 <= network.mtu <= 65535:
            yield Conflict((*where, "mtu"), f"{network.mtu} is no MTU; 68 to 65535")
        if network.dhcp is not None:
            yield from check_server(scenario, (*where, "dhcp"), name, network.dhcp)
        if network.advertised is not None:
            yield from check_advertised(scenario, (*where, "advertised"), name, network.advertised)
        if network.kind == "lan" and network.hub:
            yield Conflict((*where, "hub"), "only a network of `kind: tunnel` has a hub")
        if network.kind == "tunnel" and not network.hub:
            yield Conflict(where, "a tunnel needs the address of its `hub`, the far end")
        for number, drop in enumerate(network.drops):
            yield from check_ports(scenario, (*where, "drops", number, "frames_from"), drop.frames_from)
            yield from check_ports(scenario, (*where, "drops", number, "frames_to"), drop.frames_to)
        yield from check_ports(scenario, (*where, "multicast", "frames_from"), network.multicast.frames_from)
        yield from check_ports(scenario, (*where, "multicast", "frames_to"), network.multicast.frames_to)
        if isinstance(network.isolation, tuple):
            yield from check_ports(scenario, (*where, "isolation"), network.isolation)


# --- What happens ------------------------------------------------------------


def _identities(scenario: Scenario) -> list[str]:
    return [act.identity for act in scenario.acts()]


def _check_acts(scenario: Scenario) -> Iterator[Conflict]:
    if scenario.pair is not None:
        for key in ("host", "join"):
            yield from known(("pair", key), "device", getattr(scenario.pair, key), scenario.devices)
        if scenario.pair.join_at is not None:
            yield from _check_moment(scenario, ("pair", "join_at"), scenario.pair.join_at)
    if scenario.pair is None and not scenario.actions:
        yield Conflict((), "nothing happens: write `pair: {host: ..., join: ...}` or `actions`")
    seen = ["host", "join"] if scenario.pair is not None else []
    for number, act in enumerate(scenario.actions):
        where: Where = ("actions", number)
        if act.identity in seen:
            yield Conflict(
                where, f"there is an action {act.identity!r} already; give this one an `id` of its own"
            )
        seen.append(act.identity)
        yield from _check_act(scenario, where, act)


def _check_act(scenario: Scenario, where: Where, act: Act | ProgramAct) -> Iterator[Conflict]:
    yield from known((*where, "on"), "device", act.on, scenario.devices)
    yield from _check_moment(scenario, (*where, "at"), act.at)
    yield from _check_variables((*where, "environment"), act.environment)
    if act.stop is not None:
        yield from _check_moment(scenario, (*where, "stop", "at"), act.stop.at)
    yield from (
        check_program(where, act) if isinstance(act, ProgramAct) else _check_product(scenario, where, act)
    )


def _check_product(scenario: Scenario, where: Where, act: Act) -> Iterator[Conflict]:
    if act.offer is not None:
        yield from known((*where, "offer"), "action", act.offer, _identities(scenario))
    if act.do == "join" and act.offer is None:
        yield Conflict(where, "a joiner needs an `offer`: the id of the action that shows it")
    yield from _check_answer(scenario, where, act)


def _check_variables(where: Where, variables: Mapping[str, str]) -> Iterator[Conflict]:
    for name, value in variables.items():
        if complaint := unfit(name, value):
            yield Conflict((*where, name), complaint)


def _check_answer(scenario: Scenario, where: Where, act: Act) -> Iterator[Conflict]:
    if act.answer is not None:
        yield from known((*where, "answer"), "action", act.answer, _identities(scenario))
        if act.do != "host":
            yield Conflict(
                (*where, "answer"), f"only a host takes an answer code; {act.identity} runs {act.do}"
            )
    if act.answer_at is not None:
        yield from _check_moment(scenario, (*where, "answer_at"), act.answer_at)
        if act.answer is None:
            yield Conflict(
                (*where, "answer_at"), "a moment for which answer code? write `answer: <action>`, too"
            )


def _check_moment(scenario: Scenario, where: Where, moment: Moment) -> Iterator[Conflict]:
    if not moment.who:
        return
    events = [event.id for event in scenario.events if event.id]
    yield from known(where, "action or event", moment.who, [*_identities(scenario), *events])
    act = next((act for act in scenario.acts() if act.identity == moment.who), None)
    if act is not None:
        names = events_of(act) if isinstance(act, ProgramAct) else ACTION_EVENTS
        yield from known(where, f"event of {moment.who}", moment.what, names or (moment.what,))
    elif moment.who in events and moment.what != "done":
        yield Conflict(where, f"a change of the network has only the event {moment.who}.done")


def _check_events(scenario: Scenario) -> Iterator[Conflict]:
    seen = _identities(scenario)
    for number, event in enumerate(scenario.events):
        where: Where = ("events", number)
        yield from _check_moment(scenario, (*where, "at"), event.at)
        if event.id is not None and event.id in seen:
            yield Conflict((*where, "id"), f"{event.id!r} is taken")
        seen.append(event.id or "")
        if hasattr(event, "interface"):
            yield from check_port(scenario, (*where, "interface"), event.interface)
        yield from check_lease_event(scenario, where, event)
        yield from check_prefix_event(scenario, where, event)
        yield from check_take_over(scenario, where, event)
        yield from check_trunk_event(scenario, where, event)
        if isinstance(event, Renumber | Move | LeaseChange):
            yield from _check_new_addresses(scenario, (*where, "ip"), event)
        if hasattr(event, "device"):
            yield from known((*where, "device"), "device", event.device, scenario.machines())
        for key in ("network", "to"):
            if hasattr(event, key):
                yield from known((*where, key), "network", getattr(event, key), scenario.networks)


def _check_new_addresses(
    scenario: Scenario, where: Where, event: Renumber | Move | LeaseChange
) -> Iterator[Conflict]:
    device, _, name = event.interface.partition("/")
    found = named_interfaces(scenario.machines()[device]) if device in scenario.machines() else []
    for called, spec in found:
        network = scenario.networks.get(spec.network or "")
        if called != (name or found[0][0]) or network is None or speaks_ipv6(spec, network):
            continue
        for number, host in enumerate(event.ip):
            if ":" in host:
                yield Conflict(
                    (*where, number),
                    f"{event.interface} has no IPv6 to begin with; give it `ipv6: link-local`",
                )


def _check_impairments(scenario: Scenario) -> Iterator[Conflict]:
    for number, impair in enumerate(scenario.impair):
        yield from check_ports(scenario, ("impair", number, "at"), impair.at)
        for index, port in enumerate(impair.at):
            if on_trunk(scenario, port):
                advice = "impair the interfaces beyond it, or write `drops` at the network"
                yield Conflict(("impair", number, "at", index), f"{port} is on a trunk; {advice}")


def _check_expectations(scenario: Scenario) -> Iterator[Conflict]:
    if not scenario.expect:
        yield Conflict(("expect",), "a scenario without an expectation proves nothing")
    for number, expect in enumerate(scenario.expect):
        where: Where = ("expect", number)
        for index, name in enumerate(expect.of):
            yield from known((*where, "of", index), "action", name, _identities(scenario))
        if expect.path is not None and expect.path.network is not None:
            yield from known((*where, "path", "network"), "network", expect.path.network, scenario.networks)
        for key in ("finds", "not_finds"):
            for index, name in enumerate(getattr(expect, key)):
                yield from known((*where, key, index), "device", name, scenario.devices)
        if expect.verdict and not expect.not_verdict:
            yield Conflict(
                where,
                "a verdict needs `not_verdict` beside it: a diagnosis that always says the same must fail",
            )
        yield from check_expected_files(scenario, where, expect)
        if expect.model_fields_set == {"of"}:
            yield Conflict(where, "it expects nothing; add `outcome`, `within`, `path`, ...")
