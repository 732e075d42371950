"""``localpair host``: make an offer, show it, and wait for the device that reads it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from localpair.cli import files
from localpair.cli.prompts import Prompts
from localpair.cli.sessions import pair_and_carry
from localpair.cli.text import printable

if TYPE_CHECKING:
    from localpair.cli.commands import Host, PairOptions
    from localpair.cli.context import Context
    from localpair.cli.output import Output
    from localpair.events import OfferIssued
    from localpair.settings import Settings


async def run(command: Host, context: Context) -> None:
    """Pair as the one who makes the offer. Raises what the library raises."""
    options = command.options
    prompts = Prompts(context.keyboard, context.output, assume_yes=options.yes)
    prepare(options, prompts)
    opening = context.api.host(
        settings(options, context),
        store=context.api.TrustStore(),
        approve=prompts.approve,
        choose=prompts.choose,
    )
    show = ShownOffer(_qr(options, context.output), context.output)
    await pair_and_carry(
        opening, context.output, send=options.send, receive=options.receive, on_offer=show.show
    )


def prepare(options: PairOptions, prompts: Prompts) -> None:
    """Fail for what cannot work before the other device is troubled."""
    files.check_sendable(options.send)
    if options.receive is not None:
        files.prepare_folder(options.receive)
    if options.send:
        prompts.require_person()


def settings(options: PairOptions, context: Context) -> Settings:
    """The package's settings for ``options``."""
    return context.api.Settings(
        flow=options.flow,
        offer_addresses=options.offer_addresses,
        name=options.name,
        port=options.port,
        timeout=options.timeout,
        gives=bool(options.send),
        takes=options.receive is not None,
        announce_name=bool(options.name) and options.flow == "post",
    )


def _qr(options: PairOptions, output: Output) -> str:
    """Where the code goes: by default to a person who looks at a terminal."""
    if options.qr is not None:
        return options.qr
    return "terminal" if not output.json and sys.stdout.isatty() else "none"


class ShownOffer:
    """Shows each new offer: what to do with it, its text, its code. The code comes last: it needs the screen."""

    def __init__(self, qr: str, output: Output) -> None:
        self._qr = qr
        self._output = output
        self._is_first = True

    def show(self, offer: OfferIssued) -> None:
        """Show ``offer``. Raises LocalError where the picture of its code cannot be written."""
        talk = self._output.talk
        if not self._is_first:
            talk.note("That offer works no more. A new one:")
        self._is_first = False
        if self._qr not in {"terminal", "none"}:
            self._write(offer.text)
        talk.note(
            "Read the code with the other device, or run `localpair join` there and paste the text. "
            f"It works once, for {offer.expires_in:.0f} s."
        )
        self._output.show(offer)
        if self._qr == "terminal":
            self._draw(offer.text)

    def _write(self, text: str) -> None:
        from localpair.qr import write_image

        write_image(text, Path(self._qr))
        self._output.talk.note(f"The code is in {printable(self._qr)}.")

    def _draw(self, text: str) -> None:
        from localpair.qr import colour_wanted, render_terminal

        drawing = render_terminal(text, colour=colour_wanted() and not self._output.json)
        if self._output.can_show(drawing):
            self._output.draw(drawing)
        else:
            self._output.talk.warning("this terminal cannot draw the code: use --qr FILE, or the text")
