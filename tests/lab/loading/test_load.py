"""The loader: YAML's traps are closed, and every mistake is told with its place, all in one go."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from localpair_lab.loading.load import find, load, load_text
from localpair_lab.loading.problems import ScenarioError
from localpair_lab.loading.yaml_tree import read_tree
from localpair_lab.paths import SCENARIOS

import places

GOOD = """\
lab: 1
summary: Two devices.
networks:
  lan: 192.168.1.0/24
devices:
  alice: {on: {lan: 192.168.1.10}}
  bob: {on: {lan: 192.168.1.20}}
pair: {host: bob, join: alice}
expect:
  - {of: [host, join], outcome: paired, within: 3s}
"""


def problems(text: str) -> list[str]:
    """What the loader says, without the file's name."""
    with pytest.raises(ScenarioError) as caught:
        load_text(Path("x.yaml"), text)
    return [str(problem).removeprefix("x.yaml:") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("written", "count", "told"),
    [
        ("{{bridge: br{0}, ip: 10.77.{0}.1/24}}", 128, "129 interfaces are more than 128"),
        ("{{network: lan, name: lan{0}}}", 48, "49 interfaces on networks are more than 48"),
    ],
)
def test_a_machine_has_as_many_interfaces_as_can_be_weighed(written: str, count: int, told: str) -> None:
    def listed(number: int) -> str:
        entries = ["{network: lan, ip: 192.168.1.20}", *(written.format(n) for n in range(1, number))]
        return GOOD.replace("{on: {lan: 192.168.1.20}}", f"{{interfaces: [{', '.join(entries)}]}}")

    assert len(load_text(Path("x.yaml"), listed(count)).cells) == 1
    assert any(told in problem for problem in problems(listed(count + 1)))


def test_one_address_twice_may_be_meant() -> None:
    text = GOOD.replace("lan: 192.168.1.20", "lan: {ip: 192.168.1.10, conflict: true}")
    assert load_text(Path("x.yaml"), text).cells[0].scenario.devices["bob"].on["lan"].conflict


def test_a_good_file_loads() -> None:
    loaded = load_text(Path("x.yaml"), GOOD)
    assert [cell.name for cell in loaded.cells] == [""]
    assert loaded.cells[0].scenario.networks["lan"].ip == ("192.168.1.0/24",)
    assert loaded.cells[0].line(("expect", 0)) == 10


def test_all_problems_come_at_once_in_the_order_of_the_file() -> None:
    text = """\
lab: 1
summry: misspelt
markers: [smok]
networks:
  lan: 192.168.1.1/24
  guest: {ip: 10.0.0.0/24, multicast: blocked}
devices:
  alice:
    on: {lan: 192.168.1.10, gest: 10.0.0.4}
    fierwall: {in: drop}
  bob:
    on: {lan: {ip: 12:34, name: averyveryverylongname}}
    environment: {A: }
    environment: {A: }
pair: {host: alice, join: bbo}
events:
  - {at: host.offer + 2, do: cabl-out, interface: bob}
  - {at: hst.offer, do: cable-out, interface: bob/eth9}
expect:
  - {of: jion, outcome: pared, within: 3}
"""
    assert problems(text) == [
        "1:1: 'summary' is missing",
        "2:1: unknown key 'summry' (did you mean summary?)",
        "3:11: markers[0]: there is no marker 'smok' (did you mean smoke?)",
        "5:8: networks.lan: 192.168.1.1/24 has host bits set; did you mean 192.168.1.0/24?",
        (
            "6:39: networks.guest.multicast: 'blocked' is not understood; "
            "write pass, drop, or a mapping such as {ipv4: drop}"
        ),
        "9:35: devices.alice.on.gest: there is no network 'gest' (did you mean guest?)",
        "10:5: devices.alice: unknown key 'fierwall' (did you mean firewall?)",
        "12:20: devices.bob.on.lan.ip: '12:34' is no address; write it as 192.168.1.10 or fd00:1::10",
        (
            "12:33: devices.bob.on.lan.name: 'averyveryverylongname' is no interface name: "
            "it has 21 bytes, and the kernel takes 15; write one such as wlan0 or eth0.100"
        ),
        "13:19: devices.bob.environment.A: there is no value here; write one or remove the key",
        "14:5: devices.bob: 'environment' stands here twice; first in line 13",
        "15:27: pair.join: there is no device 'bbo' (did you mean bob?)",
        "17:5: events[0]: 'cabl-out' is not known here (did you mean cable-out?)",
        "18:10: events[1].at: there is no action or event 'hst' (did you mean host?)",
        "18:47: events[1].interface: there is no interface of bob 'eth9' (did you mean eth0?)",
        "20:10: expect[0].of[0]: there is no action 'jion' (did you mean join?)",
        "20:25: expect[0].outcome: 'pared' is not known here (did you mean paired?)",
        "20:40: expect[0].within: '3' has no unit; write it as 3s or 250ms (units: ms, s, m, min, h)",
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("  - {of: host, outcome: paired, within: 1:30}", "'1:30' is not understood"),
        ("  - {of: host, exit: 010}", "'010' is no whole number"),
        ("  - {of: host, exit: 0x1f}", "'0x1f' is no whole number"),
        ("  - {of: host, exit: 1_000}", "'1_000' is no whole number"),
        ("  - {of: host, event: {name: sent, times: {least: yes}}}", "'yes' is no whole number"),
        ("  - {of: host, outcome: off}", "'off' is not one of"),
        ("  - {of: host, address: .10}", "'.10' is no address"),
        ("  - {of: host, address: 3232235786}", "'3232235786' is no address"),
        ("  - {of: !!python/object:os.system host}", "tags such as"),
        ("  - {of: host, <<: {exit: 0}}", "merge keys (<<) are not read here"),
        ("  - {of: host, exit: ~}", "there is no value here"),
        ("  - {of: host, exit: null}", "there is no value here"),
        ("  - {of: host, exit: 0, exit: 1}", "'exit' stands here twice"),
    ],
)
def test_yaml_traps_are_closed(line: str, told: str) -> None:
    text = GOOD.replace("  - {of: [host, join], outcome: paired, within: 3s}", line)
    assert any(told in problem for problem in problems(text)), problems(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "a scenario is a mapping"),
        ("- a\n- b\n", "a scenario is a mapping"),
        ("lab: 1\n\tsummary: x\n", "a tab stands where spaces are needed"),
        ("lab: [1\n", "1:6: this '[' is never closed; ']' is missing before line 2"),
        ("lab: 1\n---\nlab: 1\n", "2:1: a second document begins here"),
        ("lab: &a {b: *a}\n", "an alias that holds itself"),
        ("lab: " + "[" * 3000, "nested too deeply"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_place(text: str, told: str) -> None:
    found = problems(text)
    assert any(told in problem for problem in found) or "&a" in text, found
    assert all(problem[0].isdigit() for problem in found)


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        ("20}}", "20}", "7:8: this '{' is never closed; '}' is missing before line 8"),
        ("join],", "join,", "10:10: this '[' is not closed by ']' before the '}' in line 10, column 50"),
        ("20}}", "20}}}", "7:33: nothing opened what this '}' closes"),
        (
            ", join: alice",
            " join: alice",
            "8:14: a text that holds ':' needs quotes here: \"bob join: alice\"",
        ),
        (
            "alice: {on: {lan: 192.168.1.10}}",
            'alice: {on: {lan: "192.168.1.10"} up: x}',
            "6:37: ',' or '}' is missing before this, in the '{' that line 6 opens in column 10",
        ),
        ("192.168.1.20", "fe80::", "7:19: a text that holds ':' needs quotes here: \"fe80::\""),
        ("Two devices.", "Two: one, two", "2:10: a text that holds ': ' needs quotes: \"Two: one, two\""),
        ("Two devices.", "@all", "2:10: a text that begins with '@' needs quotes: \"@all\""),
        ("Two devices.", "*all", "2:10: a text that begins with '*' needs quotes: \"*all\""),
        ("Two devices.", "%all", "2:10: a text that begins with '%' needs quotes: \"%all\""),
        ("Two devices.", '"Two', '2:10: this quote is never closed; " is missing at the end of the text'),
        ("Two devices.", '"Two" one', "2:16: this stands after a value that has ended"),
        ("Two devices.", '"a\\w"', '2:13: within "..." a backslash is written twice'),
        ("Two devices.", "Two\a", "2:13: YAML has no such character: U+0007"),
        ("pair: ", "pair:", "8:6: a space is missing after 'pair:'"),
        ("expect:", "expect", "9:1: ':' is missing after 'expect'"),
        ("  bob:", "   bob:", "7:4: this line begins in column 4, where none above does"),
        ("summary:", "  summary:", "2:3: by its indent this line goes on with line 1"),
        ("  alice:", "    alice:", "7:3: this line begins in column 3, where none above does"),
        ("[host, join]", "[host, , join]", "10:17: there is no value before this ','"),
    ],
)
def test_a_slip_of_syntax_is_told_where_it_was_made_and_how_it_is_mended(
    good: str, bad: str, told: str
) -> None:
    assert good in GOOD
    (found,) = problems(GOOD.replace(good, bad))
    assert found.startswith(told)


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        ("lab: 1", "lab: 2", "1:6: lab: '2' is not one of 1"),
        ("192.168.1.0/24", "{isolation: yes}", "isolation: 'yes' is not one of none, clients, and no list"),
        ("192.168.1.0/24", "{isolation: [A!]}", "isolation[0]: 'A!' is not understood; write it as device"),
        ("192.168.1.0/24", "{isolation: {a: b}}", "isolation: a list is expected here"),
        ("Two devices.", "", "2:1: summary: there is no value here; write one or remove the key"),
        ("Two devices.", "[a]", "2:10: summary: a plain word or text is expected here"),
        ("[host, join]", "A!", "10:10: expect[0].of: 'A!' is no name"),
        ("bob, join", "[bob], join", "8:14: pair.host: a name is expected here"),
        ("\n  lan: 192.168.1.0/24", " x", "3:11: networks: a mapping is expected here"),
    ],
)
def test_one_slip_is_one_line(good: str, bad: str, told: str) -> None:
    assert good in GOOD
    (found,) = problems(GOOD.replace(good, bad))
    assert told in found


def test_what_exists_in_other_cells_only_is_missing_in_this_one() -> None:
    text = GOOD.replace("devices:", "matrix: {who: [a, b]}\ndevices:\n  cells: {who: a}")
    assert problems(text)[0] == "1:1: 'devices' is missing"


def test_libyaml_and_pyyaml_read_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one is fast; the other is there where no libyaml is, and has the words for errors."""
    texts = [path.read_text(encoding="utf-8") for path in find(SCENARIOS)]
    assert yaml.__with_libyaml__
    fast = [read_tree(Path("x.yaml"), text) for text in texts]
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    assert [read_tree(Path("x.yaml"), text) for text in texts] == fast


def test_a_quoted_off_and_a_numeric_name_stay_text() -> None:
    text = GOOD.replace(
        "{on: {lan: 192.168.1.10}}",
        "{on: {lan: 192.168.1.10}, environment: {TERM: off, NO_COLOR: 010, LANG: 1:30}}",
    )
    loaded = load_text(Path("x.yaml"), text)
    assert loaded.cells[0].scenario.devices["alice"].environment == {
        "TERM": "off",
        "NO_COLOR": "010",
        "LANG": "1:30",
    }


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("bob: {on: {lan: 192.168.1.20}}", "bob: {on: {lan: 192.168.1.10}}", "is alice's already"),
        (
            "lan: 192.168.1.20}",
            "lan: {ip: 192.168.1.20, mac: 01:00:5e:00:00:fb}}",
            "01:00:5e:00:00:fb is no single station's",
        ),
        (
            "lan: 192.168.1.20}",
            "lan: {ip: 192.168.1.20, mac: 00:00:00:00:00:00}}",
            "00:00:00:00:00:00 is no single station's",
        ),
        ("lan: 192.168.1.20}", "lan: {ip: 192.168.1.20, mac: 02-00}}", "'02-00' is no hardware address"),
        (
            "bob: {on: {lan: 192.168.1.20}}",
            "bob: {on: {lan: 192.168.2.20}}",
            "is in no prefix of the network",
        ),
        (
            "bob: {on: {lan: 192.168.1.20}}",
            "bob: {on: {lan: 192.168.1.255/24}}",
            "broadcast address, no host's",
        ),
        (
            "bob: {on: {lan: 192.168.1.20}}",
            "bob: {on: {lan: 192.168.1.20/28}, gateway: 192.168.1.31}",
            "192.168.1.31 is an edge of the own subnet 192.168.1.16/28, no router's address",
        ),
        (
            "bob: {on: {lan: 192.168.1.20}}",
            "bob: {on: {lan: 192.168.1.20}, gateway: 192.168.1.255}",
            "an edge of the own subnet 192.168.1.0/24",
        ),
        ("bob: {on: {lan: 192.168.1.20}}", "bob: {environment: {TERM: b}}", "it has no interface"),
        ("pair: {host: bob, join: alice}", "", "nothing happens"),
        ("within: 3s", "verdict: firewall", "needs `not_verdict` beside it"),
        (
            "pair: {",
            "quarantine: {reason: x, until: 2001-01-01}\npair: {",
            "the quarantine ended on 2001-01-01",
        ),
        ("pair: {", "actions: [{do: join, on: bob, id: two}]\npair: {", "a joiner needs an `offer`"),
        (
            "pair: {",
            "actions: [{do: listen, id: two, on: bob, answer: join}]\npair: {",
            "only a host takes an answer code; two runs listen",
        ),
        (
            "pair: {",
            "actions: [{do: host, id: two, on: bob, answer: jion}]\npair: {",
            "there is no action 'jion' (did you mean join?)",
        ),
        (
            "pair: {",
            "actions: [{do: host, id: two, on: bob, answer_at: 3s}]\npair: {",
            "a moment for which answer code?",
        ),
        ("pair: {", "actions: [{do: host, on: bob}]\npair: {", "there is an action 'host' already"),
        (
            "pair: {",
            'events: [{at: 1s, do: readdress, interface: bob, ip: "fd12::7/64"}]\npair: {',
            "bob has no IPv6 to begin with",
        ),
        ("outcome: paired, within: 3s", "", "it expects nothing"),
        ("lan: 192.168.1.20", "lan: {ip: 192.168.1.20, dhcp: true}", "nobody hands out addresses on lan"),
        ("lan: 192.168.1.0/24", "lan: {ip: 192.168.1.0/24, dhcp: gw}", "there is no machine 'gw'"),
        (
            "lan: 192.168.1.0/24",
            "lan: {ip: 192.168.1.0/24, dhcp: {server: alice, lease: 500ms}}",
            "a lease is of whole seconds, and no shorter than 2s",
        ),
        (
            "lan: 192.168.1.0/24",
            "lan: {ip: 192.168.1.0/24, dhcp: alice, broadcast: drop}",
            "no client finds the server where the network drops broadcasts",
        ),
        (
            "pair: {",
            "events: [{at: 1s, do: lease, interface: bob, ip: 192.168.1.77}]\npair: {",
            "bob has no lease; give it `dhcp: true`",
        ),
        (
            "pair: {",
            "events: [{at: 1s, do: take-over, interface: bob, ip: 192.168.1.99}]\npair: {",
            "nobody on lan has 192.168.1.99, so nobody can lose it",
        ),
        (
            "pair: {",
            "events: [{at: 1s, do: take-over, interface: bob, ip: 192.168.1.10}]\npair: {",
            "192.168.1.10 is its holder's own address; write one of its own before it",
        ),
        ("lan: 192.168.1.20", "lan: {ip: [], ipv6: autoconf}", "nobody advertises prefixes on lan"),
        (
            "lan: 192.168.1.0/24",
            "lan: {ip: 192.168.1.0/24, advertised: alice}",
            "lan has no IPv6 prefix; write `prefixes`, or one among its `ip`",
        ),
        (
            "lan: 192.168.1.0/24",
            'lan: {ip: 192.168.1.0/24, advertised: {by: alice, prefixes: "fd12::/48"}}',
            "hosts make addresses of IPv6 prefixes of 64 bits only, not of fd12::/48",
        ),
        (
            "pair: {",
            'events: [{at: 1s, do: advertise, network: lan, prefixes: "fd12::/64"}]\npair: {',
            "nobody advertises on lan; give it `advertised: {by: ...}`",
        ),
        (
            "alice: {on: {lan: 192.168.1.10}}",
            "alice: {on: {lan: {ip: [], ipv6: link-local}}, portal: lan}",
            "a portal needs an IPv4 address of its own on lan",
        ),
        (
            "bob: {",
            "bob: {trunk: {carries: {lan: 0}}, ",
            "0 is no VLAN; write a number from 1 to 4094, or untagged",
        ),
        ("bob: {", "bob: {trunk: {carries: {lna: 10}}, ", "there is no network 'lna' (did you mean lan?)"),
        (
            "bob: {",
            "bob: {trunk: {carries: {lan: 10}, switch: {lan: 10, lna: 10}}, ",
            "two networks are VLAN 10; one end of a cable cannot tell them apart",
        ),
        ("bob: {", "bob: {clat: lan, ", "it needs an IPv6 address of its own on lan"),
        (
            "bob: {",
            "bob: {nat64: {from: lan, out: lan, prefix: fd12::/64}, ",
            "fd12::/64 is no IPv6 prefix of 96 bits, such as 64:ff9b::/96",
        ),
        ("bob: {", "bob: {nat64: {from: lan, out: lan}, ", "only what forwards can translate for others"),
        (
            "192.168.1.20}}",
            "192.168.1.20}, trunk: {carries: {lan: 10}}}\nevents: [{at: 1s, do: unplug, interface: bob}]",
            "bob is on a trunk, where only its cable and its switch (`interface-down`) change",
        ),
        (
            "192.168.1.20}}",
            "192.168.1.20}, trunk: {carries: {lan: 10}}}\nimpair: [{at: bob, loss: 20%}]",
            "bob is on a trunk; impair the interfaces beyond it, or write `drops` at the network",
        ),
        (
            "bob: {",
            "bob: {sysctls: {kernel.core_pattern: x}, ",
            "'kernel.core_pattern' is no setting of a network",
        ),
        ("bob: {", "bob: {sysctls: {/tmp/x: y}, ", "'/tmp/x' is no setting of a network"),
        ("bob: {", "bob: {sysctls: {net/../../x: y}, ", "'net/../../x' is no setting of a network"),
        (
            "bob: {",
            "bob: {sysctls: {net.ipv4.conf.eth0.100.rp_filter: 1}, ",
            "a dot that is part of a name is written as a slash: net.ipv4.conf.eth0/100.rp_filter",
        ),
        (
            "bob: {",
            "bob: {sysctls: {net.ipv4.conf.eth1.rp_filter: 1}, ",
            "there is no interface 'eth1' (did you mean eth0?)",
        ),
        ("pair: {", "pair: {send: {name: ../x, size: 1kB}, ", "'../x' leads out of the device's folder"),
        ("pair: {", "pair: {send: {name: /x, size: 1kB}, ", "'/x' leads out of the device's folder"),
        ("pair: {", f"pair: {{send: {{name: x, size: {'9' * 400}GB}}, ", "more than the lab makes"),
        ("lan: 192.168.1.0/24", f"lan: {{ip: 192.168.1.0/24, mtu: 1{'0' * 20}}}", "is no whole number"),
        ("lan: 192.168.1.0/24", "lan: {ip: 192.168.1.0/24, mtu: 67}", "67 is no MTU"),
        ("within: 3s", f"within: {'9' * 400}s", "a century is the most"),
        ("bob: {", "bob: {environment: {http_proxi: x}, ", "did you mean http_proxy?"),
        ("bob: {", 'bob: {environment: {TERM: "../../x"}, ', "'../../x' is no value for TERM; write a word"),
        ("bob: {", 'bob: {environment: {HTTP_PROXY: "a\\nb"}, ', "is no value for HTTP_PROXY"),
        ("bob: {", "bob: {environment: {LOCALPAIR_HOME: /root}, ", "write a folder of the device"),
        ("bob: {", 'bob: {environment: {LOCALPAIR_HOME: "@state/../x"}, ', "write a folder of the device"),
        (
            "pair: {",
            'actions: [{do: host, id: two, on: bob, environment: {LINES: "x"}}]\npair: {',
            "'x' is no value for LINES; write a number",
        ),
        (
            "bob: {on: {lan: 192.168.1.20}}",
            f"bob: {{interfaces: [{', '.join(f'{{network: lan, ip: 192.168.1.{n}}}' for n in range(20, 69))}]}}",
            "49 interfaces on networks are more than 48",
        ),
    ],
)
def test_parts_that_do_not_fit_together_are_told(old: str, new: str, told: str) -> None:
    found = problems(GOOD.replace(old, new))
    assert any(told in problem for problem in found), found


PROGRAM = GOOD.replace(
    "pair: {host: bob, join: alice}",
    "actions:\n"
    "  - {do: run, id: one, on: alice, command: [sh], files: {name: a, text: x}, ready: up, events: {found: is}}\n"
    "  - {do: run, id: two, on: bob, at: one.found, command: [sh]}",
).replace(
    "{of: [host, join], outcome: paired, within: 3s}", "{of: one, heard: {at: bob, port: 7}, file: {path: a}}"
)


def test_a_program_of_ones_own_loads() -> None:
    one, two = load_text(Path("x.yaml"), PROGRAM).cells[0].scenario.programs()
    assert (one.command, two.at.what) == (("sh",), "found")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "at: one.found",
            "at: one.fond",
            "actions[1].at: there is no event of one 'fond' (did you mean found?)",
        ),
        ("ready: up", "ready: {says: up, port: 7}", "one of them"),
        ("ready: up", "ready: {port: 70000}", "70000 is no port"),
        ("ready: up, ", "", ""),
        ("events: {found: is}", "events: {found: is, ready: ok}", "write it as `ready`"),
        ("events: {found: is}", 'events: {found: "{x}"}', "fits any line"),
        ("text: x", "text: x, size: 1kB", "one of `from`, `text` and `size`"),
        ("name: a, text: x", "name: ../a", "leads out of the device's folder"),
        ("name: a, text: x", "name: a", "there is no file a; it is looked for beside the scenario file"),
        ("name: a, text: x", "name: a, from: /etc/passwd", "leads out of the device's folder"),
        ("command: [sh], files", "command: '@decoy x', files", "'@decoy' is no program"),
        ("command: [sh], files", "command: [], files", "there is no word here"),
        ("command: [sh], files", "command: sh -c 'x, files", "No closing quotation"),
        ("command: [sh], files", "comand: [sh], files", "unknown key 'comand' (did you mean command?)"),
        ("on: bob", "on: bob, offer: one", "unknown key 'offer'"),
        ("at: bob", "at: carol", "there is no device 'carol'"),
        ("path: a", "path: a, same_as: a", "names no device"),
        ("192.168.1.20}", "192.168.1.20}, programs: 'a b'", "is not understood"),
        ("192.168.1.20}", "192.168.1.20}, programs: {name: a, package: 'x; y'}", "is no package"),
        ("192.168.1.20}", "192.168.1.20}, image: --privileged", "is no image's name"),
        ("path: a", "path: a, same_as: carol/a", "there is no device with an action 'carol'"),
        ("on: bob", "on: bob, environment: {PYTHONPATH: x}", "is no variable that a scenario may set"),
    ],
)
def test_mistakes_about_programs_are_told(old: str, new: str, told: str) -> None:
    assert old in PROGRAM
    text = PROGRAM.replace(old, new)
    if not told:  # an event is waited for whatever there is to be ready
        assert load_text(Path("x.yaml"), text).cells
    else:
        assert any(told in problem for problem in problems(text)), problems(text)


def test_a_given_file_is_one_of_the_scenarios_folder(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (tmp_path / "secret").write_text("x")
    (folder / "a").symlink_to(tmp_path / "secret")
    text = PROGRAM.replace("name: a, text: x", "name: a")
    with pytest.raises(ScenarioError, match="leads out of the scenario's folder"):
        load_text(folder / "x.yaml", text)
    (folder / "a").unlink()
    (folder / "a").write_text("x")
    assert load_text(folder / "x.yaml", text).cells


def test_the_matrix_multiplies_and_chooses() -> None:
    text = GOOD.replace(
        "pair: {host: bob, join: alice}",
        'matrix: {flow: [pre, post], side: [one, both]}\npair: {host: bob, join: alice, flow: "${flow}"}',
    )
    text = text.replace("  - {of", "  - {cells: {side: both}, of: host, exit: 0}\n  - {of")
    loaded = load_text(Path("x.yaml"), text)
    assert [cell.name for cell in loaded.cells] == ["pre-one", "pre-both", "post-one", "post-both"]
    assert [len(cell.scenario.expect) for cell in loaded.cells] == [1, 2, 1, 2]
    assert [cell.scenario.pair.flow for cell in loaded.cells if cell.scenario.pair] == [
        "pre",
        "pre",
        "post",
        "post",
    ]


def test_permutations_and_signs_make_names_that_differ() -> None:
    text = GOOD.replace("pair: {", "matrix: {clock: [-25h, +25h], order: {permutations: [a, b]}}\npair: {")
    text = text.replace("{on: {lan: 192.168.1.10}}", '{on: {lan: 192.168.1.10}, clock: "${clock}"}')
    text = text.replace("summary: Two devices.", 'summary: "Two devices ${clock}."')
    text = text.replace(
        "lan: 192.168.1.20}}", 'lan: {name: a, ip: 192.168.1.20}, dock: {name: b}}, order: "${order}"}'
    )
    text = text.replace("networks:\n", "networks:\n  dock: 10.0.0.0/24\n")
    names = [cell.name for cell in load_text(Path("x.yaml"), text).cells]
    assert names == ["minus-25h-a-b", "minus-25h-b-a", "plus-25h-a-b", "plus-25h-b-a"]


@pytest.mark.parametrize(
    ("new", "told"),
    [
        (
            'matrix: {flow: [pre]}\npair: {flow: "${flwo}", ',
            "${flwo} is no axis of the matrix (did you mean flow?)",
        ),
        ("matrix: {flow: [pre, post]}\npair: {", "nothing uses ${flow}"),
        ("matrix: {flow: pre}\npair: {", "a list of values"),
        (
            f"matrix: {{flow: {{permutations: {list('abcdefghijkl')}}}}}\npair: {{",
            "at most 5 things can be put into every order",
        ),
        (
            "matrix: {" + ", ".join(f"a{n}: {list(range(60))}" for n in range(5)) + "}\npair: {",
            "777600000 cells are more than 200",
        ),
        ("matrix: {a: [x]}\npair: {cells: {a: y}, ", "a is never 'y' in the matrix"),
        ("matrix: {a: [x]}\npair: {cells: {b: y}, ", "'b' is no axis of the matrix"),
    ],
)
def test_mistakes_in_the_matrix_are_told(new: str, told: str) -> None:
    found = problems(GOOD.replace("pair: {", new))
    assert any(told in problem for problem in found), found


def test_every_scenario_of_the_lab_loads() -> None:
    files = list(find(places.ROOT / "lab" / "scenarios"))
    assert len(files) >= 30
    for path in files:
        assert load(path).cells, path
