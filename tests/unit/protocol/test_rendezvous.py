"""The rendezvous, back to back over virtual time: both sides dial at one moment, whatever their clocks say."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from localpair.limits import (
    RENDEZVOUS_ANSWER_S,
    RENDEZVOUS_GAPS_S,
    RENDEZVOUS_LEAD_S,
    RENDEZVOUS_ROUNDS,
    SIMULTANEOUS_DIALS,
    VEILED_DIALS,
)
from localpair.protocol.rendezvous import Fire, Meeting, new_budget
from localpair.wire.beacon import Beacon, BeaconKind, Part, Rendezvous, RendezvousStep


@dataclass
class Side:
    """One meeting with a clock of its own, which is ``ahead`` of the true time."""

    leads: bool
    ahead: float
    loads: int = 0
    heard: list[RendezvousStep] = field(default_factory=list)
    fired: list[tuple[float, Fire]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.meeting = Meeting(self._load, self.ahead, leads=self.leads)

    def _load(self, count: int) -> tuple[int, ...]:
        self.loads += 1
        base = 50_000 + 100 * self.loads + (10_000 if self.leads else 0)
        return tuple(range(base, base + count))


def play(
    issuer: Side, joiner: Side, *, there: float, back: float, until: float, lost: tuple[int, ...] = (),
    copies: int = 1,
) -> None:  # fmt: skip
    """Carry words between the two, ``there`` to the joiner and ``back``, but for those numbered in ``lost``."""
    post: list[tuple[float, Side, Rendezvous]] = []
    now, said = 0.0, 0
    while now <= until:
        for one in [entry for entry in post if entry[0] <= now]:
            post.remove(one)
            one[1].heard.append(one[2].step)
            one[1].meeting.receive(one[2], now + one[1].ahead)
        for side, peer, delay in ((issuer, joiner, there), (joiner, issuer, back)):
            clock = now + side.ahead
            side.meeting.timer(clock)
            for action in side.meeting.take():
                if isinstance(action, Fire):
                    side.fired.append((action.at - side.ahead, action))
                    continue
                word = side.meeting.stamp(action, clock)
                post += [(now + delay, peer, word)] * (0 if said in lost else copies)
                said += 1
        times = [entry[0] for entry in post]
        deadlines = (issuer.meeting.deadline(), joiner.meeting.deadline())
        times += [d - s.ahead for d, s in zip(deadlines, (issuer, joiner), strict=True) if d is not None]
        following = min((time for time in times if time > now), default=None)
        if following is None:
            return
        now = following


def sides(ahead: float = 0.0) -> tuple[Side, Side]:
    return Side(True, 1000.0), Side(False, ahead)


@pytest.mark.parametrize("ahead", [0.0, 1000.0, 86_400.0])
@pytest.mark.parametrize("delay", [0.00005, 0.002, 0.1])
def test_both_sides_dial_at_the_same_moment_each_other_s_ports(ahead: float, delay: float) -> None:
    issuer, joiner = sides(ahead)
    issuer.meeting.refused(1000.0)
    play(issuer, joiner, there=delay, back=delay, until=2.0)
    (at, first), (other, second) = issuer.fired[0], joiner.fired[0]
    assert at == pytest.approx(other, abs=0.00001)
    assert at == pytest.approx(4 * delay + RENDEZVOUS_LEAD_S, abs=0.00001)
    assert len(first.ports) == len(second.ports) == SIMULTANEOUS_DIALS
    assert not set(first.ports) & set(second.ports)


def test_a_way_that_is_slower_in_one_direction_costs_half_the_difference() -> None:
    issuer, joiner = sides()
    issuer.meeting.refused(1000.0)
    play(issuer, joiner, there=0.001, back=0.005, until=1.0)
    assert abs(issuer.fired[0][0] - joiner.fired[0][0]) == pytest.approx(0.002, abs=0.00001)


def test_the_joiner_asks_and_the_issuer_calls() -> None:
    issuer, joiner = sides()
    joiner.meeting.refused(0.0)
    play(issuer, joiner, there=0.001, back=0.001, until=1.0)
    assert issuer.heard == [RendezvousStep.ASK, RendezvousStep.READY]
    assert joiner.heard == [RendezvousStep.CALL, RendezvousStep.GO]
    assert len(issuer.fired) == len(joiner.fired) == 1


def test_every_second_round_the_issuer_dials_first_and_veiled() -> None:
    issuer, joiner = sides()
    issuer.meeting.refused(1000.0)
    play(issuer, joiner, there=0.001, back=0.001, until=1.0)
    issuer.meeting.missed(1001.0)
    joiner.meeting.missed(1.0)
    play(issuer, joiner, there=0.001, back=0.001, until=3.0)
    assert [fire.veiled for _, fire in issuer.fired] == [False, True]
    assert not any(fire.veiled for _, fire in joiner.fired)
    assert joiner.fired[1][0] - issuer.fired[1][0] == pytest.approx(RENDEZVOUS_LEAD_S + 0.002, abs=0.00001)
    assert len(joiner.fired[1][1].ports) == VEILED_DIALS


@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_word_costs_one_round(lost: int) -> None:
    issuer, joiner = sides()
    issuer.meeting.refused(1000.0)
    play(issuer, joiner, there=0.001, back=0.001, until=2.0, lost=(lost,))
    assert len(issuer.fired) == 1
    assert issuer.fired[0][0] >= RENDEZVOUS_ANSWER_S
    assert joiner.fired[0][1].ports[0] == 60_000 + 100 * issuer.loads
    assert issuer.fired[0][1].ports[0] == 50_000 + 100 * joiner.loads


def test_copies_of_a_word_change_nothing() -> None:
    issuer, joiner = sides()
    issuer.meeting.refused(1000.0)
    play(issuer, joiner, there=0.001, back=0.001, until=1.0, copies=3)
    assert len(issuer.fired) == len(joiner.fired) == 1
    assert joiner.loads == 1


def test_rounds_follow_closely_at_first_and_never_end() -> None:
    issuer = Side(True, 0.0)
    issuer.meeting.refused(0.0)
    now = 0.0
    for number in range(1, RENDEZVOUS_ROUNDS + 4):
        issuer.meeting.timer(now)
        (call,) = issuer.meeting.take()
        assert isinstance(call, Rendezvous)
        issuer.meeting.stamp(call, now)
        issuer.meeting.receive(Rendezvous(RendezvousStep.READY, number, (50_000,)), now)
        assert any(isinstance(action, Fire) for action in issuer.meeting.take())
        issuer.meeting.missed(now)
        due = issuer.meeting.deadline()
        assert due == pytest.approx(now + RENDEZVOUS_GAPS_S[number >= RENDEZVOUS_ROUNDS])
        assert due is not None
        now = due


def test_a_holder_of_the_secret_cannot_make_us_dial_without_end_nor_at_system_ports() -> None:
    joiner = Side(False, 0.0)
    for number in range(200):
        joiner.meeting.receive(Rendezvous(RendezvousStep.CALL, number, (50_000,)), 0.0)
        joiner.meeting.receive(Rendezvous(RendezvousStep.GO, number), 0.0)
    assert sum(isinstance(action, Fire) for action in joiner.meeting.take()) == RENDEZVOUS_ROUNDS
    joiner.meeting.receive(Rendezvous(RendezvousStep.CALL, 250, (50_000, 22)), 100.0)
    joiner.meeting.receive(Rendezvous(RendezvousStep.CALL, 251, ()), 100.0)
    assert joiner.meeting.take() == []


def test_a_moment_in_the_far_future_is_not_waited_for() -> None:
    joiner = Side(False, 0.0)
    joiner.meeting.receive(Rendezvous(RendezvousStep.CALL, 1, (50_000,)), 0.0)
    joiner.meeting.receive(Rendezvous(RendezvousStep.GO, 1, at=2**63), 0.0)
    fire = joiner.meeting.take()[-1]
    assert isinstance(fire, Fire)
    assert fire.at <= RENDEZVOUS_ANSWER_S


def test_a_clock_at_the_end_of_its_range_ends_no_process() -> None:
    """The holder of the secret may say that its clock stands anywhere; what is said to it has to fit all the same."""
    issuer = Side(True, 0.0)
    issuer.meeting.refused(0.0)
    issuer.meeting.timer(0.0)
    (call,) = issuer.meeting.take()
    assert isinstance(call, Rendezvous)
    issuer.meeting.stamp(call, 0.0)
    issuer.meeting.receive(Rendezvous(RendezvousStep.READY, 1, (50_000,), at=2**64 - 1), 0.001)
    words = [action for action in issuer.meeting.take() if isinstance(action, Rendezvous)]
    assert [word.step for word in words] == [RendezvousStep.GO]
    said = Beacon(BeaconKind.RENDEZVOUS, Part.HOST, bytes(16), 1, 5000, 5000, rendezvous=words[0])
    assert Beacon.decode(said.encode()).rendezvous == words[0]


def test_whoever_does_not_answer_is_not_called_for_ever() -> None:
    """A word can be a recording, and its source a lie."""
    issuer = Side(True, 0.0)
    issuer.meeting.receive(Rendezvous(RendezvousStep.ASK), 0.0)
    play(issuer, Side(False, 0.0), there=1e9, back=1e9, until=3600.0)
    assert issuer.loads == RENDEZVOUS_ROUNDS
    issuer.meeting.receive(Rendezvous(RendezvousStep.ASK), 4000.0)
    issuer.meeting.timer(4000.0)
    assert issuer.meeting.take(), "whoever asks again is called again"


def test_a_holder_of_the_secret_that_goes_and_comes_gets_no_new_budget() -> None:
    budget, calls = new_budget(), 0
    for _ in range(50):
        meeting = Meeting(lambda count: (50_000,) * count, 0.0, leads=True, budget=budget)
        meeting.receive(Rendezvous(RendezvousStep.ASK), 0.0)
        meeting.timer(0.0)
        calls += len(meeting.take())
    assert calls == RENDEZVOUS_ROUNDS


def test_dials_without_an_answer_are_worth_one_round_each_at_the_side_that_leads() -> None:
    issuer, joiner = Side(leads=True, ahead=7.0), Side(leads=False, ahead=-3.0)
    joiner.meeting.unanswered(-3.0)
    issuer.meeting.unanswered(7.0)
    play(issuer, joiner, there=0.001, back=0.001, until=5.0)
    assert len(issuer.fired) == len(joiner.fired) == 1
    assert joiner.heard == [RendezvousStep.CALL, RendezvousStep.GO]
    for side in (issuer, joiner):
        side.meeting.missed(5.0 + side.ahead)
    assert issuer.meeting.deadline() is None
    issuer.meeting.unanswered(12.0)
    play(issuer, joiner, there=0.001, back=0.001, until=6.0)
    assert len(issuer.fired) == len(joiner.fired) == 2


def test_a_call_for_want_of_an_answer_is_not_repeated() -> None:
    issuer, joiner = Side(leads=True, ahead=0.0), Side(leads=False, ahead=0.0)
    issuer.meeting.unanswered(0.0)
    play(issuer, joiner, there=0.001, back=0.001, until=9.0, lost=(0,))
    assert joiner.heard == []
    assert issuer.meeting.deadline() is None
