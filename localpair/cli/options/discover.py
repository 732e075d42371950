"""``localpair discover``: its options. What it does is in `localpair.cli.commands.discover`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from localpair.cli.command import Command
from localpair.cli.options import shared
from localpair.dataclass import dataclass
from localpair.limits import DISCOVERY_VERDICT_S

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

HELP: Final = """\
Lists the devices that announce themselves on this network, without their being
paired. What is heard here proves nothing about who they are. Paired devices,
and those that show an offer, keep to themselves: all that is said of them is
that somebody is there.

examples:
  localpair discover --timeout 10
  localpair discover --json | jq -r 'select(.event == "peer").alias'
"""


@dataclass(frozen=True, slots=True)
class Discover(Command):
    """Who is near. ``timeout`` in seconds."""

    timeout: float

    @property
    def lists_devices(self) -> bool:
        """That is what was asked for."""
        return True


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    shared.add_timeout(parser, DISCOVERY_VERDICT_S)
    shared.add_json(parser)


def build(given: Namespace) -> Discover:
    """The command with the options that were given."""
    return Discover(given.timeout, json=given.json)
