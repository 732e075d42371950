"""Notes: what made a pair harder, or what else was seen. A clean run has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from localpair.candidate import Origin
from localpair.causes.facts import AttemptFacts, CarrierName, Ending, ForeignKind, RunRole, Whose
from localpair.causes.rules.view import (
    FORBIDDEN,
    UnknownFactError,
    View,
    by_index,
    counted_beacons,
    dials,
    facts_there,
    heard,
    is_inner,
    is_proxied,
    is_thinned,
    known,
    links_to,
    own_addresses,
    seeks,
    to_the_network,
)
from localpair.causes.vocabulary import Place, Remark, RunNote
from localpair.errors import Refusal
from localpair.events import Flaw, Phase

Looked: TypeAlias = Iterator[tuple[RunNote, Place, str]]
_CLOCK_S: Final = 120  # apart; less is an ordinary clock
_SILENT_S: Final = 3  # in which a beacon to a group is sent for certain
_SILENT_AFTER: Final = 4  # beacons of a peer that came by other ways, before groups are said to bring nothing


def remarks(view: View) -> Iterator[Remark]:
    """Every note that the facts of ``here`` give, in the words of the side that reads the verdict."""
    for look in _LOOKS:
        try:
            found = list(look(view))
        except UnknownFactError:
            continue
        for note, device, sentence in found:
            yield Remark(note, view.at(device), sentence)


def _is_kept_out(dial: AttemptFacts) -> bool:
    """Whether the dial met a filter. An issuer listens before there is an offer; a listener that refuses may only not
    have been up yet, and so may whoever should dial at the same moment.
    """
    if dial.errno == "ECONNREFUSED":
        return dial.origin is Origin.OFFER and not dial.opening
    return dial.errno == "ETIMEDOUT"


def _calls_one_way(view: View) -> Looked:
    """Dials of the address to which the pair stands were dropped or refused: the connection came the other way."""
    here = view.here
    if here.ending is Ending.PAIRED:
        lost = [one for one in dials(here) if one.phase is Phase.CONNECT and _is_kept_out(one)]
        came = {one.source for one in known(here.calls, "calls") if not one.why}
        if any(one.address in came for one in lost):
            yield RunNote.ONE_WAY_CALLS, Place.THERE, f"only {view.peer} could open the connection"


def _sends_refused(view: View) -> Looked:
    refused = sorted({row.errno for row in to_the_network(view.here) if row.errno in FORBIDDEN})
    if refused:
        told = f"{view.me} refused to send some packets: {', '.join(refused)}"
        yield RunNote.EGRESS_REFUSED, Place.HERE, told


def _groups_silent(view: View) -> Looked:
    voices = heard(view.here)
    single = [one for one in voices if one.carrier is CarrierName.UNICAST]
    if len(single) < len(voices) or sum(one.count for one in single) < _SILENT_AFTER:
        return
    # At first answers come one after the other, before it is time for the next beacon to a group.
    if max(one.last_s for one in single) - min(one.first_s for one in single) >= _SILENT_S:
        yield RunNote.MULTICAST_SILENT, Place.BETWEEN, "no multicast or broadcast came from the other device"


def _translated(view: View) -> Looked:
    """The peer was seen at an address that it does not have, or sees this device at one that it does not have."""
    peer = known(view.here.peer, "peer")
    foreign = [one for one in peer.sees_us_at if one not in own_addresses(view.here)]
    if foreign:
        yield (
            RunNote.TRANSLATED,
            Place.BETWEEN,
            f"{view.peer} sees {view.me} at {foreign[0]}: a router translates",
        )


def _routed_elsewhere(view: View) -> Looked:
    here = view.here
    for route in known(here.routes, "routes"):
        on_link = [one for one in links_to(here, route.destination) if not is_inner(one)]
        taken = by_index(here, route.index)
        if taken is None or taken in on_link:
            continue
        if on_link and route.destination not in own_addresses(here):
            told = f"{route.destination} is on the network of {view.me}, but is routed to {taken.name}"
            yield RunNote.ROUTED_ELSEWHERE, Place.HERE, told
            return


def _proxied(view: View) -> Looked:
    for route in known(view.here.routes, "routes"):
        if is_proxied(view.here, route):
            yield RunNote.PROXIED, Place.BETWEEN, f"a router answers for {route.destination}"
            return


def _another_key(view: View) -> Looked:
    for one in dials(view.here):
        if one.flaw in (Flaw.OTHER_KEY, Flaw.LATER_RUN):
            told = f"a localpair at {one.address} has another key than the offer promises"
            yield RunNote.ANOTHER_KEY, Place.BETWEEN, told
            return


def _foreign_version(view: View) -> Looked:
    for one in known(view.here.foreign, "foreign"):
        if one.kind is ForeignKind.VERSION:
            yield (
                RunNote.FOREIGN_VERSION,
                Place.BETWEEN,
                f"a localpair of another version is at {one.source}",
            )
            return


def _old_offer(view: View) -> Looked:
    rows = known(view.here.refusals, "refusals")
    if view.here.role is RunRole.HOST and any(
        row.reason is Refusal.EXPIRED and row.by is Whose.OURS for row in rows
    ):
        yield RunNote.OLD_OFFER_SHOWN, Place.THERE, "a device came with an offer that works no more"


def _peer_ended(view: View) -> Looked:
    here = view.here
    if seeks(here) and known(here.peer, "peer").goodbye and here.ending is not Ending.PAIRED:
        yield RunNote.PEER_ENDED, Place.THERE, f"{view.peer} ended its run"


def _clocks(view: View) -> Looked:
    if view.there is None or view.mirrored:
        return
    mine, theirs = known(view.here.clock_s, "clock_s"), known(view.there.clock_s, "clock_s")
    if abs(mine - theirs) > _CLOCK_S:
        told = f"the clocks of the two devices differ by {abs(mine - theirs)} s; pairing does not need them"
        yield RunNote.CLOCKS_DIFFER, Place.BETWEEN, told


def _lossy(view: View) -> Looked:
    """Of the beacons that ``there`` sent to one address of ``here``, many did not come."""
    turned = View(facts_there(view), view.here)
    if is_thinned(turned):
        sent, came = counted_beacons(turned)
        yield RunNote.LOSSY, Place.BETWEEN, f"only {came} of {sent} beacons of {view.peer} arrived"


_LOOKS: Final[tuple[Callable[[View], Looked], ...]] = (
    _calls_one_way,
    _sends_refused,
    _groups_silent,
    _translated,
    _routed_elsewhere,
    _proxied,
    _another_key,
    _foreign_version,
    _old_offer,
    _peer_ended,
    _clocks,
    _lossy,
)
