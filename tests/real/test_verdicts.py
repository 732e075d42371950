"""Real hosts and joiners between which something is broken: the cause on either screen, and from both sides' facts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from localpair.causes.judge import judge
from localpair.causes.records.codec import from_dict
from localpair.causes.records.report_code import parse
from netns import Lan, Namespace, lan

pytestmark = [pytest.mark.netns, pytest.mark.slow]
JOIN_S, HOST_S = 6, 8
ALL = ("host", "join")


@dataclass(frozen=True, slots=True)
class Ended:
    """How both ended: their events, what they said to a person, and their exit codes."""

    events: dict[str, list[dict[str, Any]]]
    said: dict[str, str]
    codes: dict[str, int]

    def causes(self, side: str) -> list[list[str]]:
        return [one["causes"] for one in self._verdict(side)["causes"]]

    def named(self, side: str) -> set[str]:
        return {cause for causes in self.causes(side) for cause in causes}

    def devices(self, side: str) -> list[str]:
        return sorted(one["device"] for one in self._verdict(side)["causes"])

    def confidence(self, side: str) -> set[str]:
        return {one["confidence"] for one in self._verdict(side)["causes"]}

    def by_codes(self, mine: str, theirs: str) -> list[list[str]]:
        """What the two report codes come to, which persons carry."""
        facts = [parse(self._verdict(side)["report"]) for side in (mine, theirs)]
        return [[str(cause) for cause in one.causes] for one in judge(*facts).explanations]

    def device(self, side: str) -> str:
        return str(self._verdict(side)["causes"][0]["device"])

    def merged(self, mine: str, theirs: str) -> list[list[str]]:
        facts = [from_dict(self._verdict(side)["facts"]) for side in (mine, theirs)]
        return [[str(cause) for cause in one.causes] for one in judge(*facts).explanations]

    def _verdict(self, side: str) -> dict[str, Any]:
        (found,) = [event for event in self.events[side] if event["event"] == "verdict"]
        return found


def started(namespace: Namespace, home: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return namespace.popen(
        [sys.executable, "-P", "-m", "localpair", *arguments, "--json", "--yes"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={"LOCALPAIR_HOME": str(home), **environment},
    )  # fmt: skip


def play(
    host: Namespace, joiner: Namespace, home: Path, change: Callable[[], object] = lambda: None
) -> Ended:
    """Host, break what is to be broken once the offer is there, and join."""
    hosting = started(host, home / "host", "host", "--timeout", str(HOST_S))
    assert hosting.stdout is not None
    events = [json.loads(line) for line in iter_until_offer(hosting)]
    change()
    joining = started(
        joiner, home / "join", "join", "--timeout", str(JOIN_S), LOCALPAIR_OFFER=events[-1]["offer"]
    )
    said = {"join": joining.communicate(timeout=60), "host": hosting.communicate(timeout=60)}
    found = {side: [json.loads(line) for line in out.splitlines()] for side, (out, _) in said.items()}
    found["host"] = events + found["host"]
    codes = {"host": hosting.returncode, "join": joining.returncode}
    return Ended(found, {side: err for side, (_, err) in said.items()}, codes)


def iter_until_offer(hosting: subprocess.Popen[str]) -> list[str]:
    assert hosting.stdout is not None
    lines = []
    for line in hosting.stdout:
        lines.append(line)
        if json.loads(line)["event"] == "offer":
            return lines
    raise AssertionError(hosting.communicate())


def output(verdict: str) -> str:
    return (
        f"table inet f {{\nchain o {{\ntype filter hook output priority 0\noif lo accept\n{verdict}\n}}\n}}\n"
    )


def test_a_kill_switch_is_named_where_it_is(tmp_path: Path) -> None:
    with lan(2) as network:
        host, joiner = network.hosts
        joiner.nft(output("drop"))
        ended = play(host, joiner, tmp_path)
    assert ended.causes("join") == [["egress-filter"]]
    assert ended.device("join") == "here"
    assert ended.merged("host", "join") == [["egress-filter"]]
    assert ended.codes == {"host": 3, "join": 3}
    assert "error: this device refuses to send" in ended.said["join"].replace("\n", " ")


def test_a_kill_switch_of_the_host_is_on_its_own_screen(tmp_path: Path) -> None:
    with lan(2) as network:
        host, joiner = network.hosts
        host.nft(output("drop"))
        ended = play(host, joiner, tmp_path)
    assert ended.causes("host") == [["egress-filter"]]
    assert ended.device("host") == "here"
    assert ended.causes("join") == [["firewall-inbound", "peer-absent", "filter-in-between", "egress-filter"]]
    assert ended.confidence("join") == {"likely"}
    assert ended.merged("join", "host") == [["egress-filter"]]


@pytest.mark.parametrize("verdict", ["drop", "reject with icmpx host-unreachable"])
def test_firewalls_that_keep_calls_out_are_told_by_their_own_kernels(tmp_path: Path, verdict: str) -> None:
    rules = f"table inet f {{\nchain i {{\ntype filter hook input priority 0\nmeta l4proto tcp {verdict}\n}}\n}}\n"
    with lan(2) as network:
        for one in network.hosts:
            one.nft(rules)
        ended = play(*network.hosts, tmp_path)
    for side in ALL:  # they hear each other, and so each has told the other one
        assert ended.causes(side) == [["firewall-inbound"], ["firewall-inbound"]]
        assert ended.devices(side) == ["here", "there"]
        assert ended.confidence(side) == {"certain"}
        assert "what it reported itself" in ended.said[side].replace("\n", " ")
    assert ended.merged("join", "host") == [["firewall-inbound"], ["firewall-inbound"]]


def test_a_cable_that_is_out_is_named(tmp_path: Path) -> None:
    with lan(2) as network:
        host, joiner = network.hosts

        def unplug() -> None:
            network.switch.ip(f"link set {joiner.port} down")
            joiner.await_state("eth0", "DOWN")

        ended = play(host, joiner, tmp_path, unplug)
    assert ended.causes("join") == [["no-carrier"]]
    assert ended.merged("host", "join") == [["no-carrier"]]


def isolate(network: Lan) -> None:
    for one in network.hosts:
        network.switch.run(["bridge", "link", "set", "dev", one.port, "isolated", "on"])


def test_isolated_clients_are_known_from_both_sides_and_suspected_from_one(tmp_path: Path) -> None:
    with lan(2, router=True) as network:
        isolate(network)
        ended = play(*network.hosts, tmp_path)
    assert ended.causes("join") == [["peer-absent", "client-isolation", "different-networks"]]
    assert ended.merged("join", "host") == [["client-isolation"]]
    assert ended.merged("host", "join") == [["client-isolation"]]
    assert ended.by_codes("join", "host") == [["client-isolation"]]
    assert ended.by_codes("host", "join") == [["client-isolation"]]


def test_two_networks_of_the_same_numbers_are_told_from_isolation_by_their_routers(tmp_path: Path) -> None:
    with lan(2, router=True) as network:
        host, joiner = network.hosts
        network.bridge("br1")
        network.switch.ip("addr add 192.168.1.1/24 dev br1", f"link set {joiner.port} master br1")
        network.settle()
        ended = play(host, joiner, tmp_path)
    assert "client-isolation" in ended.named("join")
    assert ended.merged("join", "host") == [["different-networks"]]


def test_a_device_with_an_old_offer_is_told_of_on_both_screens(tmp_path: Path) -> None:
    with lan(2) as network:
        host, joiner = network.hosts
        hosting = started(host, tmp_path / "one", "host", "--timeout", "4")
        old = json.loads(iter_until_offer(hosting)[-1])["offer"]
        hosting.communicate(timeout=60)
        again = started(host, tmp_path / "one", "host", "--timeout", str(HOST_S))
        iter_until_offer(again)
        joining = started(joiner, tmp_path / "join", "join", "--timeout", str(JOIN_S), LOCALPAIR_OFFER=old)
        said, _ = joining.communicate(timeout=60)
        heard, _ = again.communicate(timeout=60)
    (verdict,) = [one for one in map(json.loads, said.splitlines()) if one["event"] == "verdict"]
    assert [one["causes"] for one in verdict["causes"]] == [["stale-offer"]]
    calls = [one for one in map(json.loads, heard.splitlines()) if one["event"] == "call"]
    assert {(one["source"], one["reach"]) for one in calls} >= {(joiner.address, "stranger")}


def test_a_clean_pair_has_no_verdict(tmp_path: Path) -> None:
    with lan(2, router=True) as network:
        ended = play(*network.hosts, tmp_path)
    assert ended.codes == {"host": 0, "join": 0}
    assert not [event for side in ALL for event in ended.events[side] if event["event"] == "verdict"]


# --- a diagnosis towards an offer


def diagnosed(namespace: Namespace, home: Path, offer: str) -> tuple[list[dict[str, Any]], int, str]:
    one = namespace.popen(
        [sys.executable, "-P", "-m", "localpair", "diagnose", "--json"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={"LOCALPAIR_HOME": str(home), "LOCALPAIR_OFFER": offer},
    )  # fmt: skip
    out, err = one.communicate(timeout=90)
    return [json.loads(line) for line in out.splitlines()], one.returncode, err


def finding(events: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(event for event in events if event["event"] == "check" and event["name"] == name)


def test_a_diagnosis_reaches_the_host_and_leaves_the_offer_to_whoever_pairs(tmp_path: Path) -> None:
    with lan(2) as network:
        host, joiner = network.hosts
        hosting = started(host, tmp_path / "host", "host", "--timeout", "60")
        offer = json.loads(iter_until_offer(hosting)[-1])["offer"]
        events, code, err = diagnosed(joiner, tmp_path / "diagnose", offer)
        joining = started(joiner, tmp_path / "join", "join", "--timeout", "15", LOCALPAIR_OFFER=offer)
        said, _ = joining.communicate(timeout=60)
        heard, _ = hosting.communicate(timeout=60)
    assert code == 0, err
    assert "was reached at" in finding(events, "discovery")["summary"]
    assert joining.returncode == hosting.returncode == 0, said + heard


def test_a_diagnosis_towards_an_offer_names_the_cause_with_the_facts_of_both(tmp_path: Path) -> None:
    rules = "table inet f {\nchain i {\ntype filter hook input priority 0\nmeta l4proto tcp drop\n}\n}\n"
    with lan(2) as network:
        host, joiner = network.hosts
        for one in network.hosts:
            one.nft(rules)
        hosting = started(host, tmp_path / "host", "host", "--timeout", "45")
        offer = json.loads(iter_until_offer(hosting)[-1])["offer"]
        events, code, err = diagnosed(joiner, tmp_path / "diagnose", offer)
        hosting.terminate()
        hosting.communicate(timeout=30)
    assert code == 6, err
    assert events[-1] == {**events[-1], "event": "done", "exit_code": 6}
    verdict = next(event for event in events if event.get("verdict") == "explained")
    assert verdict["claimed"]["role"] == "host"
    assert {tuple(one["causes"]) for one in verdict["causes"]} == {("firewall-inbound",)}
    assert {one["device"] for one in verdict["causes"]} == {"here", "there"}


def test_a_diagnosis_finds_the_cable_that_is_out(tmp_path: Path) -> None:
    with lan(2) as network:
        _, joiner = network.hosts
        network.switch.ip(f"link set {joiner.port} down")
        joiner.await_state("eth0", "DOWN")
        events, code, err = diagnosed(joiner, tmp_path, "")
    assert code == 6, err
    verdict = next(event for event in events if event.get("verdict") == "explained")
    assert [one["causes"] for one in verdict["causes"]] == [["no-carrier"]]


def test_a_diagnosis_without_any_interface_has_a_report_and_a_cause(tmp_path: Path) -> None:
    with lan(1) as network:
        (alone,) = network.hosts
        alone.ip("link set eth0 down", "link set lo down")
        events, code, err = diagnosed(alone, tmp_path, "")
    assert code == 6, err
    assert {event["name"] for event in events if event["event"] == "check"} >= {"interfaces", "discovery"}
    verdict = next(event for event in events if event.get("verdict") == "explained")
    assert [one["causes"] for one in verdict["causes"]] == [["interface-down"]]
