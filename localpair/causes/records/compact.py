"""Facts in a few bytes: what beacons and report codes carry (docs/protocol.md, "Facts").

Written is what ``localpair.causes.records.telling`` leaves of a record. Layout of version 1::

    u8 version = 1 | addresses | masked hardware addresses | the fields and tables below, in this order

An interface has no name in it: a name is somebody's text. It is read as its kind and number, ``ethernet 2``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from localpair.candidate import InterfaceKind, Origin
from localpair.causes.facts import (
    AddressFacts,
    AttemptFacts,
    CallFacts,
    CallReach,
    CarrierName,
    CounterFacts,
    DialTime,
    Ending,
    FirewallKind,
    ForeignFacts,
    ForeignKind,
    GatewayFacts,
    HeardFacts,
    HostSystem,
    IcmpFacts,
    LinkFacts,
    NeighbourFacts,
    NeighbourState,
    OfferFacts,
    PeerFacts,
    PortFacts,
    RefusalFacts,
    RouteFacts,
    RunFacts,
    RunRole,
    SelfCallFacts,
    SentFacts,
    Transport,
    Whose,
)
from localpair.causes.records.codec import FactsError
from localpair.causes.records.packing import (
    ADDRESS,
    FLAG,
    MAC,
    NUMBER,
    PREFIX,
    FieldKind,
    PlainKind,
    RowKind,
    TablePart,
    Tables,
    choice,
    choice_of,
    maybe,
    usually,
    word,
)
from localpair.errors import Refusal, WireError
from localpair.events import Direction, Flaw, Phase
from localpair.limits import FACTS_COMPACT_BYTES
from localpair.wire.codec import Reader, Writer

VERSION: Final = 1
# Why something came to nothing: "other" stands for every word that is not here. New ones are only added at the end.
WORDS: Final = tuple(
    dict.fromkeys((
        "", "other", "ETIMEDOUT", "ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ECONNRESET", "EPERM", "EACCES",
        "EADDRNOTAVAIL", "EADDRINUSE", "EPIPE", "ECONNABORTED", "ENETDOWN", "ENOBUFS", "EINVAL", "EMSGSIZE", "ENODEV",
        "EAFNOSUPPORT", "ENOTCONN", "ESHUTDOWN", *(str(one) for one in Flaw), *(str(one) for one in Refusal),
    ))
)  # fmt: skip
OUTCOMES: Final = ("failed", "ok", "lost")
_WHY: Final = word(WORDS, other=1)
_STATE: Final = maybe(choice(NeighbourState, 3))
_CARRIER: Final = choice(CarrierName, 3)
_IP: Final = FieldKind(lambda _, value: (value - 4) // 2, lambda _, number: 4 + 2 * number, 1)
_FIREWALLS: Final = FieldKind(
    lambda _, found: sum(1 << at for at, one in enumerate(FirewallKind) if one in found),
    lambda _, number: tuple(one for at, one in enumerate(FirewallKind) if number >> at & 1),
)
_PLACES: Final = PlainKind(ADDRESS)


def _alone(name: str, kind: FieldKind) -> tuple[tuple[str, FieldKind]]:
    return ((name, kind),)


_ADDRESS: Final = RowKind(
    AddressFacts, (_alone("address", ADDRESS), (("prefix", PREFIX), ("tentative", FLAG)))
)
_GATEWAY: Final = RowKind(
    GatewayFacts, (_alone("address", ADDRESS), (("state", _STATE),), _alone("mac", maybe(MAC)))
)
_LINK: Final = RowKind(
    LinkFacts,
    (
        (
            ("kind", choice(InterfaceKind, 4)), ("up", FLAG), ("carrier", maybe(FLAG)), ("multicast", FLAG),
            ("point_to_point", FLAG), ("reverse_path", maybe(choice_of((0, 1, 2), 2))),
        ),
        _alone("index", NUMBER),
        _alone("mtu", usually(NUMBER, 1500)),
        TablePart("addresses", _ADDRESS),
        TablePart("gateways", _GATEWAY),
        _alone("mac", maybe(MAC)),
    ),
    {"name": ""},
)  # fmt: skip
_ROUTE: Final = RowKind(
    RouteFacts,
    (
        _alone("destination", ADDRESS), _alone("errno", _WHY), _alone("index", maybe(NUMBER)),
        _alone("gateway", maybe(ADDRESS)), (("state", _STATE),), _alone("mac", maybe(MAC)),
    ),
)  # fmt: skip
_NEIGHBOUR: Final = RowKind(
    NeighbourFacts,
    (
        _alone("address", ADDRESS),
        _alone("index", NUMBER),
        (("state", choice(NeighbourState, 3)),),
        _alone("mac", maybe(MAC)),
    ),
)
_ATTEMPT: Final = RowKind(
    AttemptFacts,
    (
        (
            ("phase", choice(Phase, 4)), ("outcome", word(OUTCOMES, 2)), ("flaw", choice(Flaw, 4)),
            ("opening", FLAG), ("took", choice(DialTime, 2)), ("hop", _STATE),
        ),
        _alone("address", ADDRESS), _alone("errno", _WHY), _alone("index", maybe(NUMBER)), _alone("count", NUMBER),
    ),
    {"port": 0, "origin": Origin.OFFER, "direction": Direction.OUT},
)  # fmt: skip
_CALL: Final = RowKind(
    CallFacts,
    (
        (("reach", choice(CallReach, 4)),),
        _alone("source", ADDRESS),
        _alone("why", _WHY),
        _alone("count", NUMBER),
    ),
)
_SENT: Final = RowKind(
    SentFacts,
    (
        (("carrier", _CARRIER), ("version", _IP)), _alone("index", NUMBER), _alone("address", maybe(ADDRESS)),
        _alone("errno", _WHY), _alone("count", NUMBER),
    ),
)  # fmt: skip
_HEARD: Final = RowKind(
    HeardFacts,
    (
        (("carrier", _CARRIER),), _alone("index", NUMBER), _alone("source", ADDRESS), _alone("count", NUMBER),
        _alone("first_s", NUMBER), _alone("last_s", NUMBER),
    ),
)  # fmt: skip
_FOREIGN: Final = RowKind(ForeignFacts, ((("kind", choice(ForeignKind, 2)),), _alone("source", ADDRESS)))
_SELF_CALL: Final = RowKind(
    SelfCallFacts, ((("confirmed", FLAG),), _alone("address", ADDRESS), _alone("errno", _WHY))
)
_COUNTER: Final = RowKind(
    CounterFacts,
    (
        (("version", _IP),), _alone("undelivered", NUMBER), _alone("singly", NUMBER),
        _alone("reverse_path", maybe(NUMBER)),
    ),
    {"received": 0},
)  # fmt: skip
_REFUSAL: Final = RowKind(
    RefusalFacts,
    ((("reason", choice(Refusal, 5)), ("by", choice(Whose, 1)), ("proven", FLAG)), _alone("count", NUMBER)),
)
_ICMP: Final = RowKind(
    IcmpFacts,
    (_alone("address", ADDRESS), _alone("sender", ADDRESS), _alone("errno", _WHY), _alone("count", NUMBER)),
)
_PORT: Final = RowKind(
    PortFacts, ((("protocol", choice(Transport, 1)),), _alone("port", NUMBER), _alone("errno", _WHY))
)
_OFFER: Final = RowKind(
    OfferFacts,
    (
        TablePart("addresses", _PLACES), _alone("version", NUMBER), _alone("lifetime_s", NUMBER),
        _alone("age_s", NUMBER), _alone("issued", NUMBER), _alone("passed_over", NUMBER),
    ),
)  # fmt: skip
_PEER: Final = RowKind(
    PeerFacts,
    (TablePart("claims", _PLACES), TablePart("sees_us_at", _PLACES), (("goodbye", FLAG),)),
)
_RUN: Final = RowKind(
    RunFacts,
    (
        (
            ("role", choice(RunRole, 3)), ("platform", choice(HostSystem, 3)), ("ending", choice(Ending, 4)),
            ("bridge_filter", maybe(FLAG)),
        ),
        _alone("lasted_s", NUMBER), _alone("clock_s", maybe(NUMBER)), _alone("tcp_port", usually(NUMBER, 46821)),
        _alone("firewalls", maybe(_FIREWALLS)), _alone("omitted", NUMBER),
        TablePart("links", _LINK), TablePart("routes", _ROUTE), TablePart("neighbours", _NEIGHBOUR),
        TablePart("attempts", _ATTEMPT), TablePart("calls", _CALL), TablePart("sent", _SENT),
        TablePart("heard", _HEARD), TablePart("foreign", _FOREIGN), TablePart("self_calls", _SELF_CALL),
        TablePart("counters", _COUNTER),
        TablePart("refusals", _REFUSAL), TablePart("icmp", _ICMP), TablePart("ports", _PORT),
        TablePart("offer", _OFFER, single=True), TablePart("peer", _PEER, single=True),
    ),
)  # fmt: skip


def encode(told: RunFacts) -> bytes:
    """What ``localpair.causes.records.telling.told`` gave, as bytes."""
    rows, tables = Writer(), Tables()
    _RUN.write(rows, tables, told)
    whole = Writer().u8(VERSION)
    tables.write(whole)
    return whole.raw(rows.done()).done()


def decode(data: bytes) -> RunFacts:
    """The facts in ``data``, which another device wrote. Raises FactsError for whatever is not exactly that."""
    if len(data) > FACTS_COMPACT_BYTES:
        raise FactsError(f"facts of more than {FACTS_COMPACT_BYTES} bytes")
    reader = Reader(data)
    try:
        version = reader.u8()
        if version != VERSION:
            raise FactsError(
                f"facts of version {version}", hint="Use the same version of localpair on both devices."
            )
        tables = Tables.read(reader)
        facts: RunFacts = _RUN.read(reader, tables)
        reader.end()
    except FactsError:
        raise
    except WireError as error:
        raise FactsError(f"facts that are cut or broken: {error}") from None
    return replace(facts, links=named(facts.links))


def named(links: tuple[LinkFacts, ...] | None) -> tuple[LinkFacts, ...] | None:
    """Interfaces under the names that stand for theirs."""
    return links and tuple(replace(one, name=f"{one.kind} {one.index}") for one in links)
