"""A scenario's expectations held against the oracle: what no network could give must not be expected."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from localpair_lab.model.actions import Act
from localpair_lab.model.expectations import Expect, PathWanted
from localpair_lab.model.scenario import Scenario
from localpair_lab.oracle.judge import Way, judge_all, stage_of
from localpair_lab.oracle.routing import own_addresses
from localpair_lab.oracle.states import states
from localpair_lab.oracle.words import way_words
from localpair_lab.plan.model import Plan

SOONEST_S = 0.01  # of what a program says after it has started
ENDLESS = ("host", "join")  # without a timeout they wait for longer than an action may take


def disagreements(scenario: Scenario, plan: Plan) -> Iterator[tuple[int, str]]:
    """Every expectation that the oracle says cannot come true: its number and why, in words; none where all agree."""
    for number, expect in enumerate(scenario.expect):
        for text, names in _disagreements(scenario, plan, expect).items():
            yield number, f"{' and '.join(names)} {text}"


def lost_gateways(plan: Plan) -> Iterator[str]:
    """Gateways that no machine ever has: meant, where a router is gone, and else a slip."""
    held = {address for state in states(plan) for node in state.nodes for address in own_addresses(node)}
    held |= {entry.neighbour for node in plan.nodes for entry in node.interfaces}
    for node in plan.nodes:
        for via in dict.fromkeys(route.via for route in node.routes if route.via and route.via not in held):
            yield f"nobody has {via}, which is a gateway of {node.name}; let it be where that is meant"


def _disagreements(scenario: Scenario, plan: Plan, expect: Expect) -> dict[str, list[str]]:
    """What is said of each action of one expectation; what holds of several is one text with all their names."""
    acts = {act.identity: act for act in scenario.product_acts()}
    found: dict[str, list[str]] = {}
    for name in expect.of:
        if (act := acts.get(name)) is None:  # a program of the author's own: nobody knows what it needs
            continue
        pair = _pair(acts, act)
        told = [*_stage(plan, expect, act), *_offers(plan, expect, act)]
        told += _pairing(scenario, plan, expect, act, pair) if pair is not None else ()
        # That it would wait for ever says nothing of an end that it cannot have.
        for text in told or _in_time(scenario, plan, expect, act):
            found.setdefault(text, []).append(name)
    return found


def _pair(acts: dict[str, Act], act: Act) -> tuple[Act, Act] | None:
    """The issuer and the joiner that the act is one of, on two hosts: no walk leaves one host."""
    if act.do == "join" and act.offer is not None:
        return None if acts[act.offer].on == act.on else (acts[act.offer], act)
    joiners = [other for other in acts.values() if other.offer == act.identity and other.on != act.on]
    return (act, joiners[0]) if act.do == "host" and joiners else None


def _offers(plan: Plan, expect: Expect, act: Act) -> Iterator[str]:
    """Addresses that the device would have to offer, and that it never has."""
    held = {address for state in states(plan) for address in own_addresses(state.node(act.on))}
    for address in dict.fromkeys((*expect.offers, *expect.offers_first)):
        if address not in held:
            yield f"with {address} among the candidates, which {act.on} never has"


def _in_time(scenario: Scenario, plan: Plan, expect: Expect, act: Act) -> Iterator[str]:
    """Bounds that nothing keeps: no program has begun by then, or none has ended."""
    if expect.within is not None and expect.within < SOONEST_S:
        yield f"within {expect.within * 1000:g}ms, and no program says anything before {SOONEST_S * 1000:g}ms"
    endless = act.timeout is None and act.stop is None and not _ends_early(scenario, plan)
    if expect.outcome == "failed" and act.do in ENDLESS and endless:
        yield "failed, and without an end, such as `timeout: 20s`, it waits longer than an action may take"


def _stage(plan: Plan, expect: Expect, act: Act) -> Iterator[str]:
    if not expect.stage:
        return
    stage = stage_of(plan.node(act.on))
    if str(stage.number) not in expect.stage:
        yield f"with stage {' or '.join(expect.stage)} on {act.on}, and the oracle says stage {stage.number}"
    for address in expect.address:
        if address not in stage.addresses:
            yield f"with address {address} on {act.on}, and the oracle says {', '.join(stage.addresses)}"


def _pairing(
    scenario: Scenario, plan: Plan, expect: Expect, act: Act, pair: tuple[Act, Act]
) -> Iterator[str]:
    host, join = pair
    offered, answered = host.offer_addresses != "none", host.answer == join.identity
    judged = judge_all(plan, host.on, join.on, offered=offered, answered=answered)
    possible = [judgement for judgement in judged if judgement.possible]
    if expect.outcome == "paired" and not possible:
        causes = ", ".join(sorted(set().union(*(judgement.causes for judgement in judged))))
        yield f"paired, and the oracle knows no way ({causes or 'no address is learnt'})"
    if expect.outcome == "failed" and not _ends_early(scenario, plan) and not _keeps_large_ones(plan):
        since = _awaited(plan, join.identity)
        met = judge_all(plan, host.on, join.on, offered=offered, answered=answered, since=since)
        for judgement in [one for one in met if one.possible][:1]:
            yield f"failed, and the oracle knows a way: {way_words(judgement.ways[0])}"
    absent = {
        "offer": not offered,
        "answer": not answered,
        "remembered": len(scenario.product_acts()) <= len(pair),
    }
    if (
        expect.path is not None
        and expect.path.carrier
        and all(absent.get(one) for one in expect.path.carrier)
    ):
        yield f"by {' or '.join(expect.path.carrier)}, and nothing there tells a new peer an address"
    if expect.path is not None and possible:
        ways = [way for judgement in possible for way in judgement.ways]
        if not any(_fits(scenario, way, act.on, expect.path) for way in ways):
            yield f"by a path with {_path_words(expect.path)}, and no way that the oracle knows is such a path"


def _path_words(path: PathWanted) -> str:
    wanted = path.model_dump(exclude_defaults=True)
    return ", ".join(
        f"{key.replace('_', ' ')} {value if isinstance(value, str) else ' or '.join(value)}"
        for key, value in wanted.items()
    )


def _ends_early(scenario: Scenario, plan: Plan) -> bool:
    """Whether the failure comes of something other than the network: a killed device, an offer that ran
    out.
    """
    killed = any(getattr(event.change, "signal", "") == "kill" for event in plan.events)
    late = any(action.when.anchor == "host.ended" for action in plan.actions)
    return killed or late or any(act.stop is not None for act in scenario.acts())


def _awaited(plan: Plan, join: str) -> str:
    """The change that the joiner waits for: what was possible before it is of no use."""
    anchors = {action.when.anchor.removesuffix(".done") for action in plan.actions if action.id == join}
    return next((event.id for event in plan.events if event.id in anchors), "")


def _keeps_large_ones(plan: Plan) -> bool:
    """Whether a network swallows packets by their size, of which the oracle knows nothing: it asks with small ones."""
    return any(rule.match.larger_than for segment in plan.segments for rule in segment.rules)


def _fits(scenario: Scenario, way: Way, node: str, path: PathWanted) -> bool:
    """Whether ``way``, seen from ``node``, is such a path."""
    dialled = way.first == node
    local = way.opening.local if dialled else way.opening.remote
    remote = way.opening.remote if dialled else way.opening.seen
    directions = {"simultaneous", "in", "out"} if way.kind == "simultaneous" else {"out" if dialled else "in"}
    return (
        (not path.direction or bool(directions & set(path.direction)))
        and (not path.local or local in path.local)
        and (not path.remote or remote in path.remote)
        and remote not in path.not_remote
        and (not path.family or (":" in remote) == (path.family == "ipv6"))
        and (path.network is None or on_network(scenario, path.network, remote))
    )


def on_network(scenario: Scenario, network: str, address: str) -> bool:
    """Whether ``address`` is one of ``network``'s: in a prefix of it, or link-local where it has IPv6."""
    entry = scenario.networks[network]
    bare = ip_address(address.partition("%")[0])
    if bare.is_link_local and bare.version == 6:
        return entry.ipv6 == "link-local" or any(":" in prefix for prefix in entry.ip)
    return any(bare in ip_network(prefix) for prefix in entry.ip if (":" in prefix) == (bare.version == 6))
