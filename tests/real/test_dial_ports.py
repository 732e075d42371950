"""What firewalls remember of dials: two closed sides meet although nothing gets through between their dial ports."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices import Home
from localpair.limits import DIAL_PORTS
from netns import lan

pytestmark = [pytest.mark.netns, pytest.mark.slow]
FIRST = DIAL_PORTS.start
# So does conntrack, for up to two minutes, where a dial was given up while its packets waited for an answer for a
# hardware address: it takes the dials that follow for none of its connection, and invalid.
REMEMBERED = f"tcp sport {FIRST} tcp dport {FIRST} drop"


def test_two_closed_sides_meet_although_firewalls_remember_earlier_dials(tmp_path: Path) -> None:
    with lan(2) as network:
        for one in network.hosts:
            one.nft(
                f"table inet filter {{\nchain input {{\ntype filter hook input priority 0; policy drop;\n{REMEMBERED}\n"
                "iif lo accept\nct state established,related accept\n}\n}\n"
            )
        host, joiner = (Home(one, tmp_path / str(number)) for number, one in enumerate(network.hosts))
        hosting = host.host("--timeout", "40")
        joining = joiner.join(hosting.wait("offer")["offer"], "--timeout", "30")
        way = joining.wait("paired")["path"]
        assert (joining.end(), hosting.end()) == (0, 0)
    assert way["direction"] == "simultaneous"
    assert not way["local"].endswith(f":{FIRST}")
