"""The options that ``host`` and ``join`` have in common."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from localpair.choices.selection import EVERYTHING, Selection
from localpair.choices.terms import USUAL, Terms
from localpair.cli.options import shared, types
from localpair.cli.options.piped import NOT_NAMED, Piped, add_piped, add_to_clipboard, check_output, piped
from localpair.dataclass import dataclass

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import Literal, TypeAlias

    Flow: TypeAlias = Literal["pre", "post"]
    OfferAddresses: TypeAlias = Literal["all", "none"]


@dataclass(frozen=True, slots=True)
class PairOptions:
    """What both take. ``timeout`` in seconds; None: as long as the flow needs."""

    flow: Flow = "pre"
    offer_addresses: OfferAddresses = "all"
    name: str = ""
    port: int = 0
    timeout: float | None = None
    send: tuple[Path, ...] = ()
    receive: Path | None = None
    qr: str | None = None  # terminal | none | the name of a file; None: whatever suits the output
    yes: bool = False
    terms: Terms = USUAL
    selection: Selection = EVERYTHING
    piped: Piped = NOT_NAMED
    to_clipboard: bool = False
    limit_rate: int = 0  # bytes a second; 0: no limit


def add_options(parser: ArgumentParser, wait: str) -> None:
    """Declare them. ``wait`` is the default of ``--timeout`` in words."""
    parser.add_argument(
        "--flow",
        choices=("pre", "post"),
        default="pre",
        help="pre: the offer comes first (default); post: the devices find each other first",
    )
    parser.add_argument(
        "--name",
        type=types.label,
        default="",
        help="what this device calls itself, to the other one; an offer shows it, too (default: its kind)",
    )
    shared.add_port(parser)
    shared.add_timeout(parser, None, wait)
    parser.add_argument(
        "--send",
        metavar="PATH",
        type=Path,
        action="append",
        default=[],
        help="a file or folder to send once paired, - for standard input; may be given several times",
    )
    add_piped(parser)
    shared.add_selection(parser)
    parser.add_argument(
        "--receive",
        metavar="DIR",
        type=Path,
        help="store what the other device sends in DIR (localpair-received in it, if it holds hidden files); - writes "
        "one file to standard output",
    )
    add_to_clipboard(parser)
    shared.add_terms(parser)
    shared.add_rate(parser)
    shared.add_yes(parser)
    shared.add_json(parser)


def add_offer_options(parser: ArgumentParser, *, are_shown: bool) -> None:
    """Declare those that say how an offer is made. Both sides take them; a joiner makes none, so that it hides them."""
    addresses = "which of this device's addresses the offer holds (default: all); it works without any"
    picture = "draw the code in the terminal (default there), not at all, or into FILE (.svg or .png)"
    parser.add_argument(
        "--offer-addresses",
        choices=("all", "none"),
        default="all",
        help=addresses if are_shown else argparse.SUPPRESS,
    )
    parser.add_argument(
        "--qr",
        metavar="terminal|none|FILE",
        type=types.qr,
        help=picture if are_shown else argparse.SUPPRESS,
    )


def build(given: Namespace) -> PairOptions:
    """The value of all of them. Raises UsageError for what does not go together."""
    check_output(given)
    return PairOptions(
        flow=given.flow,
        offer_addresses=given.offer_addresses,
        name=given.name,
        port=given.port,
        timeout=given.timeout,
        send=tuple(given.send),
        receive=given.receive,
        qr=given.qr,
        yes=given.yes,
        terms=shared.terms(given),
        selection=shared.selection(given),
        piped=piped(given, given.send),
        to_clipboard=given.to_clipboard,
        limit_rate=given.limit_rate,
    )
