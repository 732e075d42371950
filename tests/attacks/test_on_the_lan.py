"""Attackers on the LAN, and what they get: real devices, a third namespace that means no good.

The numbers are those of the list of attacks that were found in other tools (docs/security.md).
"""

from __future__ import annotations

import base64
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import places
from devices import Device, Home, pair
from flooding import flood, leave_the_listener_alone
from localpair.wire.offer import Offer, OfferedAddress
from netns import Lan, find_tool, lan
from secret_forms import forms

pytestmark = pytest.mark.netns
ATTACKER = places.SUPPORT / "attacker.py"


@pytest.fixture
def net() -> Iterator[Lan]:
    with lan(3) as made:
        yield made


def trio(net: Lan, tmp_path: Path) -> tuple[Home, Home, Home]:
    """Host, rightful joiner, and somebody else."""
    return tuple(Home(net.host(number), tmp_path / name) for number, name in enumerate("abe"))  # type: ignore[return-value]


def attack(net: Lan, kind: str, port: int, count: int) -> subprocess.Popen[Any]:
    """Start an attack from the third host on the first."""
    return net.host(2).popen(
        [sys.executable, str(ATTACKER), kind, net.host(0).address, str(port), str(count)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(attacker: subprocess.Popen[Any]) -> str:
    output: str = attacker.communicate(timeout=60)[0]
    assert attacker.returncode == 0, output
    return output


def closed_joiner(net: Lan) -> None:
    """The rightful joiner cannot be dialled: it has to get through the listener that is under attack."""
    find_tool("nft")
    net.host(1).firewall()


def test_1_a_flood_of_datagrams_changes_nothing(net: Lan, tmp_path: Path) -> None:
    host, join, _ = trio(net, tmp_path)
    hosting = host.host()
    offer = hosting.wait("offer")["offer"]
    before = resident_kib(hosting)
    for port in (46_820, hosting.wait("ready")["ports"]["udp"]):
        finish(attack(net, "flood", port, 20_000))
    assert resident_kib(hosting) - before < 16 * 1024
    joining = join.join(offer)
    joining.wait("paired")
    assert (hosting.end(), joining.end()) == (0, 0)
    peers = hosting.of("peer")
    assert all("192.168.1.20" in json.dumps(peer) for peer in peers), "strangers are nobody in flow pre"
    assert len(hosting.talk) < 20_000


def resident_kib(device: Device) -> int:
    status = Path(f"/proc/{device.process.pid}/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def test_2_forged_hints_cause_few_calls_and_none_to_system_services(net: Lan, tmp_path: Path) -> None:
    """Flow post hears open beacons: 20,000 of them, claiming ports 22, 80, 443 and 5000."""
    host, _, _ = trio(net, tmp_path)
    listeners = net.host(2).popen(
        [sys.executable, "-c", COUNTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert listeners.stdout.readline() == "ready\n"
    looking = host.run("discover", "--timeout", "6")
    looking.wait("ready")
    finish(attack(net, "flood", 46_820, 20_000))
    assert looking.end() == 0
    counts = json.loads(listeners.communicate(input="\n", timeout=30)[0])
    assert counts["22"] == counts["80"] == counts["443"] == 0
    assert counts["5000"] <= 4


COUNTER = """
import json, selectors, socket, sys
chosen = selectors.DefaultSelector()
counts = {}
for port in (22, 80, 443, 5000):
    one = socket.create_server(("0.0.0.0", port))
    counts[port] = 0
    chosen.register(one, selectors.EVENT_READ, port)
chosen.register(sys.stdin, selectors.EVENT_READ, None)
print("ready", flush=True)
while True:
    for key, _ in chosen.select():
        if key.data is None:
            print(json.dumps(counts))
            sys.exit()
        key.fileobj.accept()[0].close()
        counts[key.data] += 1
"""


def test_6_a_wrong_host_at_the_best_address_loses_its_connection_only(net: Lan, tmp_path: Path) -> None:
    host, join, other = trio(net, tmp_path)
    hosting, impostor = host.host(), other.host()
    offer = Offer.parse(hosting.wait("offer")["offer"])
    impostor.wait("offer")
    from ipaddress import ip_address

    places = (OfferedAddress(ip_address(net.host(2).address), 24), *offer.candidates)
    # The wrong one shall be met first, however busy this machine is.
    os.killpg(hosting.process.pid, signal.SIGSTOP)
    joining = join.join(replace(offer, candidates=places).text)
    wrong = f"{net.host(2).address}:{offer.tcp_port}"
    joining.wait("attempt", lambda event: event["candidate"] == wrong)
    os.killpg(hosting.process.pid, signal.SIGCONT)
    assert joining.wait("paired")["path"]["remote"].startswith(net.host(0).address)
    assert hosting.end() == joining.end() == 0
    assert not impostor.of("paired")
    tried = [event for event in joining.of("attempt") if event["candidate"] == wrong]
    assert [(event["phase"], event["outcome"]) for event in tried] == [("pin", "failed")]
    impostor.interrupt()


@pytest.mark.parametrize("kind", ["stall", "garbage", "oversize"])
def test_8_stalled_and_broken_connections_do_not_keep_the_rightful_device_out(
    net: Lan, tmp_path: Path, kind: str
) -> None:
    host, join, _ = trio(net, tmp_path)
    closed_joiner(net)
    hosting = host.host()
    offer = hosting.wait("offer")["offer"]
    attacker = attack(net, kind, hosting.wait("ready")["ports"]["tcp"], 20)
    assert attacker.stdout.readline() in ("stalling\n", "done\n")
    joining = join.join(offer)
    joining.wait("paired", limit_s=15)
    assert (hosting.end(), joining.end()) == (0, 0)
    attacker.communicate(timeout=60)


@pytest.mark.parametrize("kind", ["silent", "preamble", "tls", "hello"])
def test_8_a_flood_of_connections_from_many_sources_keeps_nobody_out(
    net: Lan, tmp_path: Path, kind: str
) -> None:
    host, join, _ = trio(net, tmp_path)
    leave_the_listener_alone(net.host(1))
    hosting = host.host()
    offer = hosting.wait("offer")["offer"]
    flood(net.host(2), kind, net.host(0), hosting.wait("ready")["ports"]["tcp"], 200, 8, 100)
    joining = join.join(offer)
    assert joining.wait("paired")["elapsed_ms"] < 6000, "2 s where nothing else wants the processor"
    assert (hosting.end(), joining.end()) == (0, 0)


def test_9_false_claims_keep_nobody_out_and_cost_the_offer_nothing(net: Lan, tmp_path: Path) -> None:
    host, join, _ = trio(net, tmp_path)
    closed_joiner(net)
    hosting = host.host()
    offer = hosting.wait("offer")["offer"]
    finish(attack(net, "guess", hosting.wait("ready")["ports"]["tcp"], 30))
    joining = join.join(offer)
    joining.wait("paired")
    assert (hosting.end(), joining.end()) == (0, 0)
    assert [event["offer"] for event in hosting.of("offer")] == [offer]


def test_10_two_devices_that_read_the_same_offer_make_exactly_one_pair(net: Lan, tmp_path: Path) -> None:
    host, one, other = trio(net, tmp_path)
    hosting = host.host()
    offer = hosting.wait("offer")["offer"]
    both = [home.join(offer, "--timeout", "8") for home in (one, other)]
    codes = sorted(device.end() for device in both)
    assert hosting.end() == 0
    assert codes[0] == 0
    assert codes[1] in (3, 4), "refused, or too late: the host was done"
    assert len(hosting.of("paired")) == 1
    assert sum(bool(device.of("paired")) for device in both) == 1


def test_10_a_second_device_is_told_that_the_offer_is_claimed(net: Lan, tmp_path: Path) -> None:
    """While the first one waits for the host's person, who then agrees to the first one all the same."""
    _, join, other = trio(net, tmp_path)
    hosting = net.host(0).popen(
        [sys.executable, "-c", SLOW_HOST, str(tmp_path / "h")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    offer = hosting.stdout.readline().strip()
    joining = join.join(offer)
    assert hosting.stdout.readline().startswith("asked")
    late = other.join(offer, "--timeout", "15")
    assert late.end() == 4
    assert late.wait("failed")["reason"] == "already-claimed"
    hosting.communicate(input="yes\n", timeout=30)
    joining.wait("paired")
    joining.end()


SLOW_HOST = """
import asyncio, sys, localpair
from pathlib import Path
async def main():
    store = localpair.TrustStore(Path(sys.argv[1]))
    async def ask(request):
        print("asked about", request.peer.device_id, flush=True)
        return (await asyncio.to_thread(sys.stdin.readline)).startswith("yes")
    async with localpair.host(store=store, approve=ask) as hosting:
        async for event in hosting.events():
            if isinstance(event, localpair.OfferIssued):
                print(event.text, flush=True)
            if isinstance(event, localpair.Paired):
                session = await hosting.session()
                await session.close()
                break
asyncio.run(main())
"""


def test_15_without_a_person_who_agrees_nothing_is_given_or_recorded(net: Lan, tmp_path: Path) -> None:
    """A photographed offer: its reader is shown to the host's person, who is not there to say yes."""
    host, join, _ = trio(net, tmp_path)
    hosting = host.host(yes=False)
    joining = join.join(hosting.wait("offer")["offer"], "--receive", str(tmp_path / "in"))
    assert (hosting.end(), joining.end()) == (4, 4)
    assert "--yes" in hosting.talk
    assert joining.wait("failed")["reason"] == "not-approved"
    for home in (host, join):
        listing = home.run("devices", "list")
        assert listing.end() == 0
        assert not listing.of("device")


@pytest.mark.parametrize("command", ["host", "join"])
def test_16_whoever_has_data_to_give_must_be_asked(net: Lan, tmp_path: Path, command: str) -> None:
    host, join, _ = trio(net, tmp_path)
    mine = tmp_path / "mine.txt"
    mine.write_text("mine", encoding="ascii")
    if command == "host":
        assert host.host("--send", str(mine), yes=False).end() == 4
        return
    hosting = host.host("--receive", str(tmp_path / "in"))
    assert join.join(hosting.wait("offer")["offer"], "--send", str(mine), yes=False).end() == 4
    hosting.interrupt()
    assert not list((tmp_path / "in").rglob("mine*"))


def test_21_secrets_stand_in_no_output_and_in_private_files_only(net: Lan, tmp_path: Path) -> None:
    host, join, _ = trio(net, tmp_path)
    debug = {"LOCALPAIR_DEBUG": "1"}
    traces = [side.folder / "trace.jsonl" for side in (host, join)]
    hosting = host.run("host", "--qr", "none", "--yes", env={**debug, "LOCALPAIR_TRACE": str(traces[0])})
    offer = hosting.wait("offer")["offer"]
    joining = join.run(
        "join", "--yes", env={"LOCALPAIR_OFFER": offer, **debug, "LOCALPAIR_TRACE": str(traces[1])}
    )
    joining.wait("paired")
    assert (hosting.end(), joining.end()) == (0, 0)
    secret = Offer.parse(offer).secret
    store = json.loads((host.folder / "trust.json").read_text(encoding="utf-8"))
    needles = {secret, (host.folder / "device.key").read_bytes(), *pair_keys(store)}
    assert len(needles) >= 3
    shown = hosting.talk + joining.output() + json.dumps([e for e in hosting.events if e["event"] != "offer"])
    assert "localpair" in shown, "the log is really on"
    for trace in traces:
        assert '"nomination"' in trace.read_text(encoding="utf-8"), "the trace is really on"
        shown += trace.read_text(encoding="utf-8")
    for needle in needles:
        for form in forms(needle):
            assert form not in shown
    assert offer not in shown
    for folder in (host.folder, join.folder):
        for path in folder.rglob("*"):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def pair_keys(store: object) -> Iterator[bytes]:
    """Every value under a name that speaks of a pair's key, decoded."""
    if isinstance(store, dict):
        for name, value in store.items():
            if "pair_key" in name:
                yield bytes.fromhex(value) if len(value) == 64 else base64.b64decode(value)
            else:
                yield from pair_keys(value)
    elif isinstance(store, list):
        for value in store:
            yield from pair_keys(value)


def test_21_the_offer_is_never_taken_from_the_command_line(net: Lan, tmp_path: Path) -> None:
    host, join, _ = trio(net, tmp_path)
    hosting = host.host()
    offer = hosting.wait("offer")["offer"]
    wrong = join.run("join", offer, "--yes")
    assert wrong.end() == 2
    assert offer not in wrong.talk
    joining = join.run("join", "--yes", env={"LOCALPAIR_OFFER": offer})
    joining.wait("ready")
    command = (
        Path(f"/proc/{joining.process.pid}/cmdline").read_bytes() if joining.process.poll() is None else b""
    )
    assert base64.b32encode(Offer.parse(offer).secret)[:8] not in command
    assert (hosting.end(), joining.end()) == (0, 0)


def test_an_expired_offer_is_refused_by_the_issuers_own_clock(net: Lan, tmp_path: Path) -> None:
    """The issuer's lifetime counts, not what the text says: a text that promises more does not help."""
    host, join, _ = trio(net, tmp_path)
    code = """
import asyncio, sys, localpair
from pathlib import Path
async def main():
    store = localpair.TrustStore(Path(sys.argv[1]))
    async def yes(request): return True
    async with localpair.host(localpair.Settings(lifetime=1, timeout=20), store=store, approve=yes) as hosting:
        count = 0
        async for event in hosting.events():
            if isinstance(event, localpair.OfferIssued):
                print(event.text, flush=True)
asyncio.run(main())
"""
    process = net.host(0).popen(
        [sys.executable, "-c", code, str(tmp_path / "h")], stdout=subprocess.PIPE, text=True
    )
    first, _second = process.stdout.readline().strip(), process.stdout.readline().strip()
    late = join.join(replace(Offer.parse(first), lifetime=300).text)
    assert late.end() == 4
    assert "expired" in late.wait("failed")["reason"]
    os.killpg(process.pid, 9)
    del host


def test_a_clone_of_this_device_is_named(net: Lan, tmp_path: Path) -> None:
    import shutil

    host, join, other = trio(net, tmp_path)
    hosting, joining = pair(host, join)
    assert (hosting.end(), joining.end()) == (0, 0)
    shutil.copytree(host.folder, other.folder, dirs_exist_ok=True)
    hosting = host.host("--timeout", "6")
    clone = other.join(hosting.wait("offer")["offer"], "--timeout", "4")
    assert clone.end() == 4
    assert clone.wait("failed")["reason"] == "self"
    hosting.interrupt()


def test_4_a_host_of_flow_pre_is_never_seen_by_whoever_looks_around(net: Lan, tmp_path: Path) -> None:
    host, _, other = trio(net, tmp_path)
    looking = other.run("discover", "--timeout", "3")
    looking.wait("ready")
    hosting = host.host("--timeout", "1")
    assert looking.end() == 0
    assert not looking.of("peer")
    assert not hosting.of("peer")
    hosting.end()
