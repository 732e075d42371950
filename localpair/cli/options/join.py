"""``localpair join``: its options. What it does is in `localpair.cli.commands.join`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from localpair.cli.command import Command
from localpair.cli.options import pairing, shared
from localpair.cli.options.piped import STANDARD
from localpair.dataclass import dataclass
from localpair.errors import UsageError
from localpair.limits import ATTEMPT_S

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from pathlib import Path

    from localpair.cli.options.pairing import PairOptions

HELP: Final = """\
Reads the offer that the other device shows and pairs with it. It is pasted at
the prompt, piped in with `-`, taken from a picture with --image, seen by a
camera with --camera, or taken from the variable LOCALPAIR_OFFER; never from the
command line, which other users can read. Where only the other device can open
connections, a code is shown to be typed there.

examples:
  localpair join --receive ~/Downloads    asks for the offer
  localpair join --image photo.jpg        reads the QR code in a picture
  localpair join --camera                 reads it with the camera
  pbpaste | localpair join -              reads standard input
"""


@dataclass(frozen=True, slots=True)
class Join(Command):
    """Read an offer and go there."""

    options: PairOptions
    stdin: bool = False
    image: Path | None = None
    camera: str | None = None

    @property
    def needs_output(self) -> bool:
        """Whether it pairs shows in what comes of it."""
        return False

    @property
    def writes_payload(self) -> bool:
        """Whether standard output takes the place of a folder."""
        return self.options.receive == STANDARD


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    shared.add_stdin(parser)
    shared.add_image(parser)
    parser.add_argument(
        "--camera",
        metavar="FILE",
        nargs="?",
        const="0",
        help="read the offer from its QR code with the camera (or with that of this number, or from a video file)",
    )
    pairing.add_options(
        parser, f"{ATTEMPT_S:.0f}; as long as the offer lives where a person is shown an answer code"
    )
    pairing.add_offer_options(parser, are_shown=False)


def build(given: Namespace) -> Join:
    """The command with the options that were given. Raises UsageError for what does not go together."""
    hint = "Run `localpair join` and paste the offer, or pipe it to `localpair join -`."
    stdin = shared.reads_stdin(given, hint)
    if stdin and STANDARD in given.send:
        raise UsageError(
            "standard input is the offer or a file",
            hint="Give the offer in LOCALPAIR_OFFER, or with --image.",
        )
    return Join(pairing.build(given), stdin, given.image, given.camera, json=given.json)
