"""Pairing, as programs use it: ``host()`` shows an offer, ``join()`` reads one, ``reach()`` meets again.

async with host(settings, store=store, approve=ask) as pairing:
    async for event in pairing.events():
        ...                                  # an OfferIssued holds the text to show
    session = await pairing.session()        # in another task, or after Paired was seen
"""

from __future__ import annotations

from collections.abc import Awaitable

from localpair.choices.settings import Approver, Chooser, Settings, nobody
from localpair.pairing.attempt import Pairing
from localpair.pairing.host import Hosting
from localpair.pairing.join import Joining
from localpair.pairing.listen import Listening
from localpair.pairing.reach import Reaching
from localpair.trust.store import TrustStore
from localpair.wire.offer import Offer


def host(
    settings: Settings | None = None,
    *,
    store: TrustStore | None = None,
    approve: Approver = nobody,
    choose: Chooser | None = None,
) -> Hosting:
    """Issue an offer and pair with whoever reads it. To be used as an async context manager.

    ``approve`` asks this side's person; without one every request is refused. ``choose`` picks the device in flow
    post. Called inside a running event loop. Where only this side can open connections, ``Hosting.answer`` takes the
    answer code that the other device shows.
    """
    return Hosting(settings or Settings(), store or TrustStore(), approve, choose)


def join(
    offer: Offer | Awaitable[Offer],
    settings: Settings | None = None,
    *,
    store: TrustStore | None = None,
    approve: Approver = nobody,
) -> Pairing:
    """Pair with the device that issued ``offer``. To be used as an async context manager.

    In flow post ``offer`` may be awaitable: discovery runs until it is there.
    """
    return Joining(offer, settings or Settings(), store or TrustStore(), approve)


def reach(device_id: str, settings: Settings | None = None, *, store: TrustStore | None = None) -> Pairing:
    """Find a paired device that listens, and authenticate both ways. To be used as an async context manager.

    ``device_id`` may be the beginning of an id or a device's name.
    """
    return Reaching(device_id, settings or Settings(), store or TrustStore())


def listen(settings: Settings | None = None, *, store: TrustStore | None = None) -> Listening:
    """Wait for paired devices. To be used as an async context manager."""
    return Listening(settings or Settings(), store or TrustStore())
