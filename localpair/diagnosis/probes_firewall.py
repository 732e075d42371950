"""A check for traces of a firewall on this host that can be read without privileges."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from localpair.net.host.firewalls import firewall_signs

if TYPE_CHECKING:
    from localpair.diagnosis.context import CheckContext
    from localpair.diagnosis.evidence import CheckNotes


def firewall(_: CheckContext, notes: CheckNotes) -> None:
    """What can be read of a firewall without privileges. Hints: whether it lets us in only a peer can tell."""
    found = firewall_signs()
    if found is None:
        notes.skip(f"nothing is known about firewalls on {sys.platform}")
        return
    notes.fact("hints", found)
    active = [name for name, value in found.items() if value is True]
    notes.say(
        f"signs of a firewall: {', '.join(active)}" if active else "no sign of a firewall that can be read"
    )
