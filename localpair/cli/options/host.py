"""``localpair host``: its options. What it does is in `localpair.cli.commands.host`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from localpair.cli.command import Command
from localpair.cli.options import pairing
from localpair.cli.options.piped import STANDARD
from localpair.dataclass import dataclass
from localpair.limits import OFFER_LIFETIME_S

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from localpair.cli.options.pairing import PairOptions

HELP: Final = """\
Shows an offer, as a QR code and as text, and waits for the other device to
read it. The offer works once and for two minutes; a new one is shown when it
is used up. If the other device shows a code that begins with LA:, type it here
and press Enter.

examples:
  localpair host                               only pair
  localpair host --send photos/ --send a.pdf   pair, then send
  localpair host --receive ~/Downloads         pair, then receive
  localpair host --qr offer.png --json         for programs
  localpair host --flow post                   first see who is near, then offer
"""


@dataclass(frozen=True, slots=True)
class Host(Command):
    """Make an offer and wait."""

    options: PairOptions

    @property
    def needs_output(self) -> bool:
        """The offer is shown there, unless it is in a picture."""
        return self.options.qr in {None, "terminal", "none"}

    @property
    def writes_payload(self) -> bool:
        """Whether standard output takes the place of a folder."""
        return self.options.receive == STANDARD


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    pairing.add_options(parser, f"{OFFER_LIFETIME_S:.0f}")
    pairing.add_offer_options(parser, are_shown=True)


def build(given: Namespace) -> Host:
    """The command with the options that were given. Raises UsageError for what does not go together."""
    return Host(pairing.build(given), json=given.json)
