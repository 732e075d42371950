"""``localpair join``: read an offer and go where it leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localpair.cli import offers
from localpair.cli.host import prepare, settings
from localpair.cli.prompts import Prompts
from localpair.cli.sessions import pair_and_carry

if TYPE_CHECKING:
    from localpair.cli.commands import Join
    from localpair.cli.context import Context
    from localpair.wire.offer import Offer


async def run(command: Join, context: Context) -> None:
    """Pair as the one who reads the offer. Raises what the library raises."""
    options = command.options
    source = offers.source(command, context)
    prompts = Prompts(context.keyboard, context.output, assume_yes=options.yes)
    prepare(options, prompts)
    # In the post flow this device is found first, and the offer is made for it.
    offer = source if options.flow == "post" else _considered(await source, command, context)
    opening = context.api.join(
        offer,
        settings(options, context),
        store=context.api.TrustStore(),
        approve=prompts.approve,
    )
    await pair_and_carry(opening, context.output, send=options.send, receive=options.receive)


def _considered(offer: Offer, command: Join, context: Context) -> Offer:
    """Say what the person may not know about ``offer``; it is used as it is."""
    if offer.gives and command.options.receive is None:
        context.output.talk.warning("the other device wants to send something: --receive DIR would take it")
    return offer
