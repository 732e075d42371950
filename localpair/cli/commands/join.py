"""``localpair join``: read an offer and go where it leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localpair.cli import offers
from localpair.cli.commands.host import prepare, settings
from localpair.cli.piping import pipes
from localpair.cli.sessions import pair_and_carry
from localpair.cli.terminal.prompts import Prompts
from localpair.cli.terminal.qr_output import Codes

if TYPE_CHECKING:
    from localpair.cli.context import Context
    from localpair.cli.options.join import Join
    from localpair.cli.output.output import Output
    from localpair.events import AnswerIssued
    from localpair.wire.offer import Offer


async def run(command: Join, context: Context) -> None:
    """Pair as the one who reads the offer. Raises what the library raises."""
    options = command.options
    source = offers.source(command, context)
    prompts = Prompts(context.keyboard, context.output, assume_yes=options.yes)
    send, receive = prepare(options, context, prompts)
    # In the post flow this device is found first, and the offer is made for it.
    offer = source if options.flow == "post" else _considered(await source, command, context)
    codes = Codes(options.qr, context.output)
    show = ShownAnswer(codes, context.output)
    opening = context.api.join(
        offer, settings(options, context), store=context.api.TrustStore(), approve=prompts.approve
    )
    async with pipes.spooled(send, options.piped) as paths, opening as joining:
        await pair_and_carry(
            joining,
            context.output,
            send=paths,
            selection=options.selection,
            receive=receive,
            pace=context.pace(options.limit_rate),
            on_answer=show.show,
            on_report=codes.draw,
        )


def _considered(offer: Offer, command: Join, context: Context) -> Offer:
    """Say what the person may not know about ``offer``; it is used as it is."""
    if offer.gives and command.options.receive is None:
        context.output.talk.warning("the other device wants to send something: --receive DIR would take it")
    return offer


class ShownAnswer:
    """Shows each answer code: what to do with it, its text, its QR code."""

    def __init__(self, codes: Codes, output: Output) -> None:
        self._codes = codes
        self._output = output
        self._is_first = True

    def show(self, answer: AnswerIssued) -> None:
        """Show ``answer``. Raises LocalError where the picture of its code cannot be written."""
        talk, text = self._output.talk, answer.text.replace("-", "")
        reason = "No way there yet" if self._is_first else "The addresses here have changed"
        talk.note(f"{reason}. If the offer is still shown, type this on the other device:\n")
        self._is_first = False
        self._codes.write(text)
        self._output.show(answer)
        if not self._output.is_open:
            talk.note(answer.text)
        talk.note("")
        self._codes.draw(text)
