"""``localpair addresses``: its options. What it does is in `localpair.cli.commands.addresses`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from localpair.cli.command import Command
from localpair.cli.options import shared
from localpair.dataclass import dataclass
from localpair.limits import STAGE_THREE_S

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

HELP: Final = """\
Finds this device's own addresses in three stages: the one that traffic would
leave from, all that the interfaces have, and what another device sees. Each
try is shown with what came of it.

examples:
  localpair addresses
  localpair addresses --json
"""


@dataclass(frozen=True, slots=True)
class Addresses(Command):
    """The three stages. ``timeout`` in seconds."""

    timeout: float


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    shared.add_timeout(parser, STAGE_THREE_S)
    shared.add_json(parser)


def build(given: Namespace) -> Addresses:
    """The command with the options that were given."""
    return Addresses(given.timeout, json=given.json)
