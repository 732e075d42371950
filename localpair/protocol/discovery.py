"""Discovery: one beacon, many carriers. Who is near, where it says it is, and where it was seen.

The machine is fed datagrams and the time; it gives datagrams to send, the time of its next step, and events. It
never authenticates a peer by itself: a sealed beacon shows that its sender holds the secret, an open one shows
nothing, and neither ever changes what is known of a paired device.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import field, replace
from ipaddress import IPv4Address
from itertools import islice
from typing import Final

from localpair.address import AddressClass, IPAddress, classify, unscoped
from localpair.dataclass import dataclass
from localpair.errors import ForeignVersionError, WireError
from localpair.keys import Purpose
from localpair.limits import (
    ANSWER_BURST,
    ANSWER_REFILL_S,
    BEACON_ADDRESSES,
    BEACON_BEAT_S,
    BEACON_BURST_S,
    BEACON_HEARS,
    BEACON_JITTER,
    BEACON_SLOW_AFTER_S,
    BEACON_SLOW_BEAT_S,
    DISCOVERY_PORT,
    LATE_COPY_S,
    LOWEST_DIALLED_PORT,
    NEWCOMERS_REFILL_S,
    PEER_ADDRESSES,
    PEER_EXPIRY_BEATS,
    PEERS,
    SAME_BEAT_S,
    SECRETS_PER_BEAT,
    TARGETS,
)
from localpair.neighbourhood import NO_NEIGHBOURS, Neighbourhood
from localpair.protocol.discovery_events import (
    BeaconOpened,
    BeaconSource,
    BeaconTarget,
    Carrier,
    Counterpart,
    DiscoveryEvent,
    FactsCame,
    Foreign,
    Gone,
    Heard,
    HearsUs,
    Invited,
    Outlet,
    Transmit,
)
from localpair.protocol.keyring import OFFER, Keyring, Nonces, StrangerError
from localpair.protocol.probe_schedule import Probes
from localpair.protocol.rate_limits import Bucket
from localpair.protocol.replays import Doubts, is_later
from localpair.wire.beacon import (
    HEARD_BYTES,
    Beacon,
    BeaconKind,
    Envelope,
    FactsPart,
    Mode,
    Part,
    Rendezvous,
    Seen,
)


@dataclass(slots=True)
class _HeardPeer:
    beacon: Beacon
    secret: str | None
    heard_at: float
    beat_at: float
    came_from: tuple[
        IPAddress, int
    ]  # of the latest beat: whoever repeats what it heard comes later than the peer
    sources: OrderedDict[tuple[IPAddress, int], float] = field(default_factory=OrderedDict)
    told: set[tuple[IPAddress, IPAddress, bool]] = field(default_factory=set)
    answered_from: set[IPv4Address] = field(default_factory=set)
    arrivals: set[tuple[IPv4Address, int]] = field(default_factory=set)  # our addresses, and the interfaces

    @property
    def places(self) -> frozenset[IPAddress]:
        """Where it was seen lately, and where it says it is."""
        return frozenset((*(address for address, _ in self.sources), *self.beacon.addresses))


@dataclass(frozen=True, slots=True)
class Self:
    """What this side says of itself. ``seed`` is random and secret: nonces and jitter come from it. ``run`` is higher
    than in every earlier run of this device.
    """

    part: Part
    instance: bytes
    seed: bytes = field(repr=False)
    tcp_port: int
    udp_port: int
    dial_port: int = 0
    label: str = ""
    run: int = 0  # told to paired devices only


# Whom each part looks for. Where no secret tells, the others are not it, whoever they are.
COUNTERPARTS: Final = {
    Part.HOST: Part.JOIN,
    Part.JOIN: Part.HOST,
    Part.LISTEN: Part.SEND,
    Part.SEND: Part.LISTEN,
}


class Discovery:
    """Announces this side and keeps the peers it hears. ``now`` is monotonic, in seconds."""

    def __init__(self, me: Self, keyring: Keyring, now: float) -> None:
        self.keyring = keyring
        self._me = me
        self._nonces = Nonces(me.seed)
        self._outlets: tuple[Outlet, ...] = ()
        self._addresses: tuple[IPAddress, ...] = ()
        self._near = NO_NEIGHBOURS
        self._targets: OrderedDict[BeaconTarget, None] = OrderedDict()
        self._peers: OrderedDict[bytes, _HeardPeer] = OrderedDict()
        self._foreign: OrderedDict[tuple[IPAddress, str], None] = OrderedDict()
        self._doubts = Doubts()
        self.probes = Probes(waits=me.part is Part.HOST)
        self._transmits: deque[Transmit] = deque()
        self._events: deque[DiscoveryEvent] = deque()
        self._answers = Bucket(ANSWER_BURST, ANSWER_REFILL_S)
        self._newcomers = Bucket(PEERS, NEWCOMERS_REFILL_S)
        self._sequence = 0
        self._turn = 0
        self._started = now
        self._beats = 0
        self._next_beat: float | None = now

    # -- what the world does ------------------------------------------------------------------------------------

    def set_network(
        self,
        outlets: Iterable[Outlet],
        addresses: Iterable[IPAddress],
        now: float,
        near: Neighbourhood = NO_NEIGHBOURS,
    ) -> None:
        """The interfaces and own addresses as they are now. A change is announced at once, by a new burst.

        ``near`` says which addresses of special purpose are neighbours, and so may be heard.
        """
        self._near = near
        new = (tuple(outlets), tuple(unscoped(a) for a in addresses)[:BEACON_ADDRESSES])
        if new != (self._outlets, self._addresses):
            self._outlets, self._addresses = new
            for peer in self._peers.values():
                peer.arrivals.clear()
            if self._next_beat is not None:
                self.resume_announcing(now)

    def add_target(self, target: BeaconTarget, now: float) -> None:
        """Also send to this address; a new target gets a beacon at once."""
        if target in self._targets:
            return
        self._targets[target] = None
        while len(self._targets) > TARGETS:
            self._targets.popitem(last=False)
        if self._next_beat is not None and self._beats:
            for name in self._round():
                self._send(self._beacon(BeaconKind.ANNOUNCE), name, [target])

    def probe(self, target: BeaconTarget, now: float) -> bool:
        """Send one beacon to an address that might be the peer's, again after growing gaps, then leave it alone; who
        hosts goes on, since its peer may start at any time.

        It goes to the target's own link and not to a router, whatever the address.
        """
        if not self.may_probe(target, now):
            return False
        self.probes.note(target, now, self._started)
        for name in self._round():
            datagram = self._sealed(self._beacon(BeaconKind.ANNOUNCE), name)
            self._queue(datagram, target, Carrier.UNICAST, direct=True)
        return True

    def may_probe(self, target: BeaconTarget, now: float) -> bool:
        """Whether a probe to this address is due."""
        wanted = self._next_beat is not None and target not in self._targets
        return wanted and self.probes.is_due(target, now)

    def invite(self, secret: str, to: Iterable[BeaconTarget], message: Rendezvous) -> None:
        """Say a word of a rendezvous to a peer that holds this secret; nothing where the secret has ended."""
        if self._next_beat is not None and secret in self.keyring:
            self._send(replace(self._beacon(BeaconKind.RENDEZVOUS), rendezvous=message), secret, to)

    def tell_facts(self, secret: str, to: Iterable[BeaconTarget], part: FactsPart) -> None:
        """Send a part of our facts, or a question, to a peer that holds this secret, and to nobody else."""
        if self._next_beat is not None and secret in self.keyring:
            beacon = replace(self._beacon(BeaconKind.FACTS), addresses=(), label="", facts=part)
            self._send(beacon, secret, to)

    def counterparts(self) -> list[Counterpart]:
        """The peers that are heard now with a secret of ours and do what we look for, the latest first."""
        return [
            Counterpart(instance, peer.secret, address, peer.beacon.udp_port, scope, peer.places)
            for instance, peer in reversed(self._peers.items())
            if peer.secret is not None and COUNTERPARTS.get(self._me.part) is peer.beacon.part
            for address, scope in [peer.came_from]
        ]

    @property
    def is_paused(self) -> bool:
        """Whether nothing is sent until ``wake()``."""
        return self._next_beat is None

    @property
    def heard_anybody(self) -> bool:
        """Whether a peer is known now that may be the one: it has a secret of ours, or does what ours would."""
        wanted = COUNTERPARTS.get(self._me.part)
        known = self._peers.values()
        return any(peer.secret is not None or wanted in (None, peer.beacon.part) for peer in known)

    def receive(
        self, datagram: bytes, source: BeaconSource, carrier: Carrier, now: float, certificate: bytes = b""
    ) -> BeaconOpened | None:
        """Take a datagram. Whatever is no beacon for us changes nothing and gives None.

        Over TCP ``certificate`` is the fingerprint of the TLS server's.
        """
        if not self._is_possible(source.address):
            return None
        try:
            envelope = Envelope.decode(datagram)
            if envelope.mode is Mode.OPEN and len(self.keyring):
                return None  # who holds a secret listens to nobody else
            if self._nonces.is_recent(envelope.nonce):
                return None
            secret, beacon = self.keyring.open(envelope, certificate)
        except StrangerError:
            self._note_foreign(source.address, "stranger")
        except ForeignVersionError:
            self._note_foreign(source.address, "version")
        except WireError:
            return None
        else:
            if beacon.instance != self._me.instance:
                is_heeded = self._take(beacon, secret, source, carrier, now)
                return BeaconOpened(secret, COUNTERPARTS.get(self._me.part) is beacon.part, is_heeded)
        return None

    def _is_possible(self, source: IPAddress) -> bool:
        """Whether a datagram can come from there."""
        return classify(source) is AddressClass.LOOPBACK or not self._near.why_not(source)

    def timer(self, now: float) -> None:
        """Do what is due."""
        if self._next_beat is not None and now >= self._next_beat:
            self._beat(now)
        for instance, peer in list(self._peers.items()):
            if now >= self._expiry(peer):
                self._forget(instance)
        self._doubts.expire(now)

    def resume_announcing(self, now: float) -> None:
        """Start a new burst now: the network changed, or a peer is wanted again."""
        self._started, self._beats, self._next_beat = now, 0, now

    def pause_announcing(self) -> None:
        """Send nothing more until ``resume_announcing()``: a session stands, or there is no offer yet."""
        self._next_beat = None

    def goodbye(self) -> None:
        """Tell everybody that this instance ends. Nothing is sent after it."""
        for name in self._round():
            self._announce(self._beacon(BeaconKind.GOODBYE), name)
        self._next_beat = None

    # -- what the world is to do --------------------------------------------------------------------------------

    def deadline(self) -> float | None:
        """When ``timer`` wants to be called next, if ever."""
        times = [self._expiry(peer) for peer in self._peers.values()]
        if self._next_beat is not None:
            times.append(self._next_beat)
        return min(times, default=None)

    def take_transmits(self) -> list[Transmit]:
        """The datagrams to send now."""
        transmits = list(self._transmits)
        self._transmits.clear()
        return transmits

    def take_events(self) -> list[DiscoveryEvent]:
        """What happened since the last call."""
        events = list(self._events)
        self._events.clear()
        return events

    def carried(
        self, kind: BeaconKind, secret: str | None, certificate: bytes, *, called: IPAddress | None = None,
        seen: Seen | None = None,
    ) -> bytes:  # fmt: skip
        """A beacon to carry over TCP (CONFIRM, CONFIRMED), for the connection of this TLS certificate only."""
        beacon = replace(self._beacon(kind), called=called and unscoped(called), seen=seen)
        return self._sealed(beacon, secret, certificate=certificate)

    # -- announcing ---------------------------------------------------------------------------------------------

    def _beat(self, now: float) -> None:
        self._beats += 1
        gap = self._gap(now)
        self._next_beat = now + gap
        beacon = replace(self._beacon(BeaconKind.ANNOUNCE), beat_ms=min(65_535, round(gap * 1000)))
        for name in self._round():
            self._announce(beacon, name)

    def _gap(self, now: float) -> float:
        if self._beats < len(BEACON_BURST_S):
            return max(0.0, self._started + BEACON_BURST_S[self._beats] - now)
        slow = now - self._started > BEACON_SLOW_AFTER_S
        beat = BEACON_SLOW_BEAT_S if slow else BEACON_BEAT_S
        return beat * (1.0 + BEACON_JITTER * self._nonces.jitter())

    def _round(self) -> list[str | None]:
        """The secrets that this beat is sealed with: all of a few, else some in turn."""
        names = list(self.keyring)
        if not names:
            return [None]
        count = min(len(names), SECRETS_PER_BEAT)
        turn = [names[(self._turn + step) % len(names)] for step in range(count)]
        self._turn = (self._turn + count) % len(names)
        return list(turn)

    def _announce(self, beacon: Beacon, name: str | None) -> None:
        datagram = self._sealed(beacon, name)
        for outlet in self._outlets:
            for group in outlet.groups:
                self._queue(
                    datagram,
                    BeaconTarget(group, DISCOVERY_PORT, outlet.interface),
                    Carrier.MULTICAST,
                    outlet.source,
                )
            for broadcast in outlet.broadcasts:
                target = BeaconTarget(broadcast, DISCOVERY_PORT, outlet.interface)
                self._queue(datagram, target, Carrier.BROADCAST, outlet.source)
        for target in self._targets:
            self._queue(datagram, target, Carrier.UNICAST)

    def _send(self, beacon: Beacon, name: str | None, targets: Iterable[BeaconTarget]) -> None:
        datagram = self._sealed(beacon, name)
        for target in targets:
            self._queue(datagram, target, Carrier.UNICAST)

    def _sealed(
        self, beacon: Beacon, name: str | None, *, to: bytes | None = None, certificate: bytes = b""
    ) -> bytes:
        """The datagram of a beacon; between paired devices it tells which run this is and whom we hear."""
        if self._is_of_pair(name):
            beacon = replace(beacon, run=self._me.run, hears=self._hears(name, to))
        return self.keyring.seal(name, beacon, self._nonces.take(), certificate)

    def _hears(self, name: str | None, to: bytes | None) -> tuple[bytes, ...]:
        known = (instance for instance, peer in reversed(self._peers.items()) if peer.secret == name)
        found = dict.fromkeys((*(() if to is None else (to,)), *self._doubts.of(name), *known))
        return tuple(instance[:HEARD_BYTES] for instance in islice(found, BEACON_HEARS))

    def _queue(
        self,
        datagram: bytes,
        to: BeaconTarget,
        carrier: Carrier,
        source: IPv4Address | None = None,
        *,
        direct: bool = False,
    ) -> None:
        self._transmits.append(Transmit(datagram, to.address, to.port, to.scope, carrier, source, direct))

    def _beacon(self, kind: BeaconKind) -> Beacon:
        self._sequence += 1
        me = self._me
        return Beacon(
            kind, me.part, me.instance, self._sequence, me.tcp_port, me.udp_port, me.dial_port,
            beat_ms=round(BEACON_SLOW_BEAT_S * 1000), addresses=self._addresses, label=me.label,
        )  # fmt: skip

    # -- hearing ------------------------------------------------------------------------------------------------

    def _take(
        self, beacon: Beacon, secret: str | None, source: BeaconSource, carrier: Carrier, now: float
    ) -> bool:
        """Take what a beacon says; whether that is anything. What may be a recording says nothing."""
        place = (source.address, source.scope)
        peer = self._peers.get(beacon.instance)
        if peer is not None and not self._is_news(peer, beacon, secret, now):
            return self._is_late_copy(peer, secret, place, now)
        known = peer is not None and peer.secret == secret
        if not (known or beacon.kind is BeaconKind.GOODBYE or self._is_live(beacon, secret, carrier, now)):
            return False
        if secret is not None:
            self.keyring.note_heard(secret, beacon)
        if beacon.kind is BeaconKind.GOODBYE:
            return self._take_goodbye(peer, beacon, secret, place)
        if beacon.kind is BeaconKind.FACTS:
            if known and secret is not None and beacon.facts is not None:
                self._events.append(FactsCame(beacon.instance, secret, beacon.facts))
            return known
        if peer is not None and peer.secret != secret:
            peer = None  # it holds a secret of ours now, or another one: everything about it is to be learnt anew
        first = peer is None
        if peer is None:
            if secret is None and not self._newcomers.take(now):
                return False  # anybody can make up instances; an honest one is heard again with its next beat
            peer = self._remember(beacon, secret, place, now)
        changed = first or self._moved(peer.beacon, beacon)
        fresh = first or beacon.sequence > peer.beacon.sequence
        if beacon.sequence > peer.beacon.sequence:
            peer.beacon, peer.beat_at, peer.came_from = beacon, now, place
        peer.heard_at = now
        self._peers.move_to_end(beacon.instance)
        arrived = self._has_new_arrival(peer, source)
        if self._at_new_place(peer, place, now) or changed or arrived:
            event = self._heard(peer, source, carrier, first)
            self._events.append(replace(event, answers=beacon.kind is BeaconKind.ANSWER))
        self._take_feedback(peer, beacon, source, carrier)
        if beacon.rendezvous is not None and secret is not None and fresh:
            self._events.append(Invited(secret, beacon.rendezvous, now, source))
        here = source.local is not None and source.local not in peer.answered_from
        if beacon.kind is BeaconKind.ANNOUNCE and (first or here) and carrier is not Carrier.TCP:
            self._answer(peer, source, now)
        return True

    def _take_goodbye(
        self, peer: _HeardPeer | None, beacon: Beacon, secret: str | None, place: tuple[IPAddress, int]
    ) -> bool:
        """A goodbye is the last word of a run, so that a recorded one is true as well, and ends no other run. It counts
        from where the peer was seen; that of our offer's issuer, which no other run can seal, from anywhere, also where
        it is the first word that is heard. Whether it counts.
        """
        of_issuer = secret == OFFER and (self._me.part, beacon.part) == (Part.JOIN, Part.HOST)
        if peer is not None and (of_issuer or place in peer.sources):
            self._forget(beacon.instance, Gone(beacon.instance, said_goodbye=True, secret=secret))
        elif peer is None and of_issuer:
            self._events.append(Gone(beacon.instance, said_goodbye=True, secret=secret))
        else:
            return False
        return True

    def _is_of_pair(self, name: str | None) -> bool:
        return name is not None and self.keyring[name].purpose is Purpose.PAIR

    def _is_live(self, beacon: Beacon, secret: str | None, carrier: Carrier, now: float) -> bool:
        """Whether a beacon of a run that is not known yet was sent just now. One of a pair that may be a recording is
        answered by nothing: beats that go out anyway name that run, and the run, if it is alive, names ours then.
        """
        if not self._is_of_pair(secret):
            return True
        if COUNTERPARTS.get(self._me.part) is not beacon.part:
            return False  # two that wait, or two that call, have nothing to say to each other
        hears_us = self._me.instance[:HEARD_BYTES] in beacon.hears
        if hears_us or carrier is Carrier.TCP or is_later(beacon, self.keyring.heard(secret or "")):
            self._doubts.settle(secret, beacon.instance)
            return True
        self._doubts.note(secret, beacon.instance, now)
        return False

    def _is_news(self, peer: _HeardPeer, beacon: Beacon, secret: str | None, now: float) -> bool:
        """Whether a beacon of a known instance may change anything: no replay, and no step back to an open hint.

        A peer of flow post begins with hints and goes on with the offer's secret, then with the pair's. Nobody else's
        secret speaks for it: whoever holds one of ours may have learnt the instance of another one.
        """
        if secret != peer.secret:
            outgrown = peer.secret in (None, OFFER) or peer.secret not in self.keyring
            return secret is not None and outgrown and beacon.sequence > peer.beacon.sequence
        return beacon.sequence > peer.beacon.sequence or (
            beacon.sequence == peer.beacon.sequence and now - peer.beat_at <= SAME_BEAT_S
        )

    def _is_late_copy(
        self, peer: _HeardPeer, secret: str | None, place: tuple[IPAddress, int], now: float
    ) -> bool:
        """Whether what is no news has arrived from the peer all the same: on a busy device the next beat overtakes
        copies of this one. What comes from elsewhere, or long after the last beat, may be a recording.
        """
        own = secret is not None and secret == peer.secret and place in peer.sources
        return own and now - peer.beat_at <= LATE_COPY_S

    def _moved(self, old: Beacon, new: Beacon) -> bool:
        return new.sequence > old.sequence and (new.addresses, new.tcp_port) != (old.addresses, old.tcp_port)

    def _remember(
        self, beacon: Beacon, secret: str | None, place: tuple[IPAddress, int], now: float
    ) -> _HeardPeer:
        peer = self._peers[beacon.instance] = _HeardPeer(beacon, secret, now, now, place)
        while len(self._peers) > PEERS:
            self._forget(next(iter(self._peers)))
        return peer

    def _at_new_place(self, peer: _HeardPeer, place: tuple[IPAddress, int], now: float) -> bool:
        new = place not in peer.sources
        if new and len(peer.sources) >= PEER_ADDRESSES:
            oldest = min(peer.sources, key=lambda known: peer.sources[known])
            if now - peer.sources[oldest] <= SAME_BEAT_S:
                return False  # a flood of sources does not push out the ones just heard
            del peer.sources[oldest]
        peer.sources[place] = now
        return new

    def _has_new_arrival(self, peer: _HeardPeer, source: BeaconSource) -> bool:
        """Whether it is the first one for this address of ours by that interface; of several any may bring it."""
        arrival = (source.local, source.interface)
        if source.local is None or arrival in peer.arrivals or len(peer.arrivals) >= PEER_ADDRESSES:
            return False
        peer.arrivals.add((source.local, source.interface))
        return True

    def _heard(self, peer: _HeardPeer, source: BeaconSource, carrier: Carrier, first: bool) -> Heard:
        beacon = peer.beacon
        return Heard(
            beacon.instance, beacon.part, peer.secret, beacon.label, beacon.tcp_port, beacon.udp_port, beacon.dial_port,
            beacon.addresses, source, carrier, first,
        )  # fmt: skip

    def _take_feedback(
        self, peer: _HeardPeer, beacon: Beacon, source: BeaconSource, carrier: Carrier
    ) -> None:
        """Report where the peer sees us, once for each of our addresses and way of knowing."""
        reports = []
        if beacon.seen is not None:
            reports.append((beacon.seen.address, False))
        if beacon.called is not None and carrier is Carrier.TCP:
            reports.append((beacon.called, True))
        for address, called in reports:
            key = (address, source.address, called)
            if key in peer.told or len(peer.told) >= 2 * PEER_ADDRESSES:
                continue
            peer.told.add(key)
            event = HearsUs(beacon.instance, peer.secret, address, carrier, source.address, called)
            self._events.append(event)

    def _answer(self, peer: _HeardPeer, source: BeaconSource, now: float) -> None:
        """Tell a newcomer at once where we see it, at the address it was seen at and nowhere else, by every way that is
        known to there: our firewall may have let out nothing to it before. And once from each address of ours that it
        wrote to: it may take nothing from another one (RFC 3704).
        """
        # None of us sends from the port of a service: such a source is forged.
        forged = source.port < LOWEST_DIALLED_PORT
        if self._next_beat is None or forged or not self._answers.take(now):
            return
        seen = Seen(source.address, source.port)
        beacon = replace(self._beacon(BeaconKind.ANSWER), seen=seen)
        datagram = self._sealed(beacon, peer.secret, to=peer.beacon.instance)
        if source.local is not None and len(peer.answered_from) < PEER_ADDRESSES:
            peer.answered_from.add(source.local)
        to = BeaconTarget(source.address, source.port, source.scope)
        self._queue(datagram, to, Carrier.UNICAST, source.local)
        for way in self._targets:
            if (way.address, way.port) == (to.address, to.port) and way.scope and not to.scope:
                self._queue(datagram, way, Carrier.UNICAST)

    def _forget(self, instance: bytes, told: Gone | None = None) -> None:
        secret = self._peers.pop(instance).secret
        self._events.append(told or Gone(instance, secret=secret))

    def _expiry(self, peer: _HeardPeer) -> float:
        told = min(peer.beacon.beat_ms / 1000, BEACON_SLOW_BEAT_S * (1 + BEACON_JITTER))  # nobody is rarer
        return peer.heard_at + PEER_EXPIRY_BEATS * max(BEACON_BEAT_S, told)

    def _note_foreign(self, source: IPAddress, reason: str) -> None:
        key = (unscoped(source), reason)
        if key in self._foreign:
            return
        self._foreign[key] = None
        while len(self._foreign) > PEERS:
            self._foreign.popitem(last=False)
        self._events.append(Foreign(*key))
