"""How much a device may send: the product's documented limits as the lab's own numbers, and what follows from them.

A test holds the numbers against the product's. Pure: everything is a function of time and of how often the network
changed. ``docs/protocol.md`` tells the same in words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate, chain, repeat, takewhile

from localpair_lab.oracle.multicast import DISCOVERY_PORT, GROUPS

PAIRING_PORTS = range(46821, 46830)
DIAL_PORTS = range(46830, 46840)
LOWEST_PORT = 1024
MULTICAST_HOPS = 1
BEACON_BYTES = 320

BURST_S = (0.0, 0.1, 0.6, 2.6)
BEAT_S = 1.0
JITTER = 0.2
SLOW_AFTER_S = 30.0
SLOW_BEAT_S = 5.0
ANSWER_BURST = 4
ANSWER_REFILL_S = 5.0
FACTS_BEACONS = 12
FACTS_BEACONS_REFILL_S = 2.5
PROBE_GAPS_S = (1.0, 4.0, 16.0)
PROBE_WAITING_S = 0.4
NEIGHBOUR_PROBES = 512
NEIGHBOUR_PROBES_REFILL_S = 1 / 32
SWEEP_ADDRESSES = 1024
SWEEPS = 2
SWEEP_WAITING_EVERY_S = 18.0
TARGETS = 32
SECRETS_PER_BEAT = 4
RETRY_GAPS_S = (0.5, 1.0, 2.0)
PUNCH_GAPS_S = (0.15, 0.5, 1.0, 2.0)
SIMULTANEOUS_DIALS = 8
RENDEZVOUS_ROUNDS = 12
RENDEZVOUS_GAPS_S = (0.02, 1.0)
PACKET_DIALS_PER_SOURCE = 4
PACKET_DIALS_WINDOW_S = 10.0
PACKET_DIALS_TOTAL = 20
RESUME_S = 20.0

PROBES = 1 + len(PROBE_GAPS_S)  # of one address that does not answer
SLACK_S = 1.0  # the lab learns of a start, a pair and an end a little late
SYNS = 3  # that a kernel sends within the time of one dial
SIMULTANEOUS_OPENS = 2  # of a round: what was refused is dialled once more
WORDS = 3  # of a round: the joiner's question, the call and the signal to go are most
QUESTIONS = 3  # that a kernel asks for one hardware address (mcast_solicit)


@dataclass(frozen=True, slots=True)
class Span:
    """One process's time of searching and announcing: ``seconds`` in all, in which it had ``bursts`` reasons to
    begin anew (its start, an offer, a change of the network), with ``secrets`` to announce in every beat, on
    ``networks`` one after the other. ``waits``: for a peer that may start at any time, as whoever hosts does.
    """

    seconds: float
    bursts: int = 1
    secrets: int = 1
    networks: int = 1
    waits: bool = False

    @property
    def beats(self) -> int:
        """The most datagrams for one group, one broadcast address or one target.

        Besides bursts and beats: the goodbye, and the first beat of a joiner, which its offer's burst cuts off.
        """
        time, last = self.seconds + SLACK_S, BURST_S[-1]
        burst = sum(at <= time for at in BURST_S) + (self.bursts - 1) * len(BURST_S)
        quick = min(max(0.0, time - last), SLOW_AFTER_S * self.bursts)
        slow = max(0.0, time - last - quick)
        shortest = 1.0 - JITTER
        steady = math.floor(quick / (BEAT_S * shortest)) + math.ceil(slow / (SLOW_BEAT_S * shortest))
        return self.secrets * (burst + steady + 2)

    @property
    def answers(self) -> int:
        """The most answers to newcomers, wherever they are."""
        return ANSWER_BURST + math.floor((self.seconds + SLACK_S) / ANSWER_REFILL_S)

    @property
    def facts(self) -> int:
        """The most beacons about facts, wherever the other device is: none before it was heard for some seconds."""
        return FACTS_BEACONS + math.floor((self.seconds + SLACK_S) / FACTS_BEACONS_REFILL_S)

    @property
    def probes(self) -> int:
        """The most datagrams for an address where the peer merely might be."""
        if not self.waits:
            return PROBES * self.secrets
        time = self.seconds + SLACK_S
        often = min(time, SLOW_AFTER_S * self.bursts)
        return (
            1 + math.floor(often / PROBE_WAITING_S) + math.ceil((time - often) / SLOW_BEAT_S)
        ) * self.secrets

    @property
    def probes_in_all(self) -> int:
        """The same for all such addresses together: the sweeps, and what neighbours may have."""
        time = self.seconds + SLACK_S
        neighbours = NEIGHBOUR_PROBES + math.ceil(time / NEIGHBOUR_PROBES_REFILL_S)
        return (SWEEP_ADDRESSES * self._sweeps + neighbours) * self.secrets

    @property
    def swept(self) -> int:
        """The most addresses where the peer merely might be: a sweep after a change asks those that are near then."""
        return SWEEP_ADDRESSES * min(self._sweeps, self.networks)

    @property
    def _sweeps(self) -> int:
        """Nobody but who waits goes on with them."""
        again = (self.seconds + SLACK_S) / SWEEP_WAITING_EVERY_S if self.waits else 0
        return SWEEPS + math.floor(again)

    @property
    def tries(self) -> int:
        """The most dials to one address and port by one way."""
        return self._tries(RETRY_GAPS_S)

    @property
    def openings(self) -> int:
        """The same between two dial ports."""
        return self._tries(PUNCH_GAPS_S)

    def _tries(self, gaps: tuple[float, ...]) -> int:
        time, all_gaps = self.seconds + SLACK_S, chain(gaps, repeat(gaps[-1]))
        once = 1 + sum(1 for _ in takewhile(lambda at: at <= time, accumulate(all_gaps)))
        return once + (self.bursts - 1) * (1 + len(gaps))

    @property
    def rounds(self) -> int:
        """The most rounds of a rendezvous with somebody whose firewall refuses."""
        return self.bursts * RENDEZVOUS_ROUNDS + math.floor((self.seconds + SLACK_S) / RENDEZVOUS_GAPS_S[-1])

    @property
    def calls(self) -> int:
        """The most confirmations over TCP to one source."""
        per_second = PACKET_DIALS_PER_SOURCE / PACKET_DIALS_WINDOW_S
        return PACKET_DIALS_PER_SOURCE + math.floor((self.seconds + SLACK_S) * per_second)


__all__ = ["DISCOVERY_PORT", "GROUPS", "Span"]
