"""``localpair host``: make an offer, show it, and wait for the device that reads it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from localpair.cli import files
from localpair.cli.options.piped import STANDARD
from localpair.cli.output import results
from localpair.cli.piping import pipes
from localpair.cli.receiving import Inbound, inbound
from localpair.cli.sessions import pair_and_carry
from localpair.cli.terminal.prompts import Prompts
from localpair.cli.terminal.qr_output import Codes
from localpair.errors import AnswerError
from localpair.wire.answer import PREFIX

if TYPE_CHECKING:
    from pathlib import Path

    from localpair.choices.settings import Settings
    from localpair.cli.context import Context
    from localpair.cli.options.host import Host
    from localpair.cli.options.pairing import PairOptions
    from localpair.cli.output.output import Output
    from localpair.events import OfferIssued
    from localpair.pairing.host import Hosting


async def run(command: Host, context: Context) -> None:
    """Pair as the one who makes the offer. Raises what the library raises."""
    options = command.options
    prompts = Prompts(context.keyboard, context.output, assume_yes=options.yes)
    send, receive = prepare(options, context, prompts)
    opening = context.api.host(
        settings(options, context),
        store=context.api.TrustStore(),
        approve=prompts.approve,
        choose=prompts.choose,
    )
    codes = Codes(options.qr, context.output)
    offers = ShownOffer(codes, context.output)
    answers = TypedAnswers(context)

    def show(offer: OfferIssued) -> None:
        offers.show(offer)
        if STANDARD not in send:
            answers.listen()

    async with pipes.spooled(send, options.piped) as paths, opening as hosting:
        answers.open(hosting)
        await pair_and_carry(
            hosting,
            context.output,
            send=paths,
            selection=options.selection,
            receive=receive,
            pace=context.pace(options.limit_rate),
            on_offer=show,
            on_report=codes.draw,
        )


def prepare(
    options: PairOptions, context: Context, prompts: Prompts
) -> tuple[tuple[Path, ...], Inbound | None]:
    """Fail for what cannot work before the other device is troubled. What is sent, and where what comes is stored, if
    anything is.
    """
    send = files.sendable(options.send, context.output.talk)
    receive = None
    if options.receive is not None:
        receive = inbound(options.receive, options.terms, context, prompts, to_clipboard=options.to_clipboard)
    if options.send:
        prompts.require_person(gives=True)
    return send, receive


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
        attended=not context.output.json and sys.stdout.isatty(),
    )


class ShownOffer:
    """Shows each new offer: what to do with it, its text, its code. The code comes last: it needs the screen."""

    def __init__(self, codes: Codes, output: Output) -> None:
        self._codes = codes
        self._output = output
        self._is_first = True

    def show(self, offer: OfferIssued) -> None:
        """Show ``offer``. Raises LocalError where the picture of its code cannot be written."""
        talk = self._output.talk
        if not self._is_first:
            talk.note("That offer works no more. A new one:")
        self._is_first = False
        self._codes.write(offer.text)
        said = (
            "Read the code with the other device, or run `localpair join` there and paste the text. "
            f"It works once, for {offer.expires_in:.0f} s."
        )
        if not self._codes.draw_with(offer.text, said):
            talk.note(said)
            self._output.show(offer)
            self._codes.draw(offer.text)


class TypedAnswers:
    """Answer codes from standard input: what a person types while the offer is shown, or a line of a program."""

    def __init__(self, context: Context) -> None:
        self._keyboard, self._output = context.keyboard, context.output
        self._hosting: Hosting | None = None

    def open(self, hosting: Hosting) -> None:
        """The hosting that they are for."""
        self._hosting = hosting

    def listen(self) -> None:
        """Heed them from now on. Nobody is asked: a question would stand in the way of the code on the screen."""
        self._keyboard.listen(self._accept_answer_code)

    def _accept_answer_code(self, line: str) -> None:
        """A program may write other lines, too. A person means whatever is typed."""
        meant = bool(line.strip()) if self._keyboard.interactive else PREFIX in line.upper()
        if self._hosting is None or not meant:
            return
        try:
            taken = results.AnswerTaken(self._hosting.answer(line))
        except AnswerError as error:
            taken = results.AnswerTaken(problem=error)
        self._output.show(taken)
