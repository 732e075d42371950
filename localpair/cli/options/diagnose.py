"""``localpair diagnose``: its options. What it does is in `localpair.cli.commands.diagnose`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpair.cli.command import Command
from localpair.cli.options import shared
from localpair.dataclass import dataclass
from localpair.errors import UsageError
from localpair.limits import DIAGNOSIS_S

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

HELP: Final = """\
Runs every check in series and reports all of them, also those that fail, also
when interrupted. The report holds no secret. With --redact it can be shown to
anybody: host parts of addresses, hardware addresses and names are masked.

examples:
  localpair diagnose
  localpair diagnose --redact --output report.json
  localpair diagnose --offer           asks for an offer and tests towards it
  localpair diagnose --merge           asks for the codes that two runs showed
"""


@dataclass(frozen=True, slots=True)
class Diagnose(Command):
    """Every check, in series. ``timeout`` in seconds; ``output`` takes a copy.

    ``redact`` masks what strangers need not know. ``merge``: judge two reports, of which these are named, and measure
    nothing.
    """

    timeout: float
    output: Path | None = None
    redact: bool = False
    merge: tuple[str, ...] | None = None
    stdin: bool = False
    image: Path | None = None
    offer: bool = False  # ask for it

    @property
    def runner(self) -> str:
        """Two reports are judged where nothing is measured."""
        return "diagnose" if self.merge is None else "merge"

    @property
    def needs_output(self) -> bool:
        """The report is shown there, if it is in no file."""
        return self.output is None or self.merge is not None


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    shared.add_stdin(parser)
    parser.add_argument(
        "--offer",
        action="store_true",
        help="ask for the other device's offer, and test towards it; it is not used up",
    )
    shared.add_image(parser)
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        help="also write the report to FILE: JSON, or text if it ends in .txt",
    )
    parser.add_argument(
        "--redact",
        action="store_true",
        help="mask addresses, hardware addresses and names, in the report and in the copy",
    )
    parser.add_argument(
        "--merge",
        metavar="REPORT",
        nargs="*",
        help="judge two reports, this device's first: report codes, files, or - for standard input; a report that is "
        "not given is asked for",
    )
    shared.add_timeout(parser, DIAGNOSIS_S)
    shared.add_json(parser)


def build(given: Namespace) -> Diagnose:
    """The command with the options that were given. Raises UsageError for what does not go together."""
    merge = None if given.merge is None else tuple(given.merge)
    if merge is not None and len(merge) > 2:
        raise UsageError(
            "more than two reports were given", hint="Give this device's and the other device's."
        )
    if merge is not None and (given.output is not None or given.redact):
        raise UsageError(
            "--merge makes no report, so that there is nothing to write or to mask",
            hint="Leave out --output and --redact.",
        )
    hint = (
        "`localpair diagnose --offer` asks for an offer; `localpair diagnose -` reads it from standard input."
    )
    stdin = shared.reads_stdin(given, hint)
    return Diagnose(
        given.timeout,
        given.output,
        given.redact,
        merge,
        stdin,
        given.image,
        given.offer,
        json=given.json,
    )
