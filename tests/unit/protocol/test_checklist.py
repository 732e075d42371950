"""Which address is dialled when: table tests over virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from itertools import pairwise

import pytest

from localpair.candidate import Candidate, Evidence
from localpair.limits import (
    CONNECT_TIMEOUT_S,
    PARALLEL_DIALS,
    PARALLEL_OPENINGS,
    PUNCH_GAPS_S,
    RETRY_GAPS_S,
    STAGGER_S,
)
from localpair.protocol.checklist import Checklist, DialOutcome
from localpair.protocol.rate_limits import Bucket, PerSource, source_key


def by_address(candidates: Sequence[Candidate]) -> list[Candidate]:
    return sorted(candidates, key=lambda one: (-one.evidence, int(one.address)))


def candidate(last: int, port: int = 5000, evidence: Evidence = Evidence.ASSIGNED) -> Candidate:
    return Candidate(ip_address(f"192.168.1.{last}"), port, evidence=evidence)


def checklist(*lasts: int, own: tuple[str, ...] = ()) -> Checklist:
    made = Checklist(by_address, [ip_address(text) for text in own])
    for last in lasts:
        made.add(candidate(last), 0.0)
    return made


def starts(
    made: Checklist, until: float, answers: dict[int, tuple[float, DialOutcome]] | None = None
) -> list[tuple[float, int]]:
    """When each address (its last number) is dialled; ``answers`` gives how long each dial lasts and its end."""
    answers = answers or {}
    now, ending, log = 0.0, [], []
    while now <= until:
        for one in [entry for entry in ending if entry[0] <= now]:
            ending.remove(one)
            made.ended(one[1], one[2], now)
        for due in made.due(now):
            last = int(due.address) & 255
            log.append((round(now, 3), last))
            lasts, outcome = answers.get(last, (100.0, DialOutcome.FAILED))
            ending.append((now + lasts, due, outcome))
        moments = [entry[0] for entry in ending] + [d for d in [made.deadline()] if d is not None]
        following = min((moment for moment in moments if moment > now), default=None)
        if following is None:
            break
        now = following
    return log


def test_dials_start_best_first_and_staggered() -> None:
    assert starts(checklist(3, 1, 2), 1.0) == [(0.0, 1), (STAGGER_S, 2), (2 * STAGGER_S, 3)]


def test_a_failure_lets_the_next_one_start_at_once() -> None:
    log = starts(checklist(1, 2, 3), 0.6, {1: (0.01, DialOutcome.FAILED), 2: (0.02, DialOutcome.FAILED)})
    assert log[:3] == [(0.0, 1), (0.01, 2), (0.03, 3)]


def test_failures_are_tried_again_after_growing_gaps() -> None:
    log = starts(checklist(1), 12.0, {1: (0.01, DialOutcome.FAILED)})
    gaps = [round(after - before - 0.01, 3) for (before, _), (after, _) in pairwise(log)]
    assert gaps[:3] == list(RETRY_GAPS_S)
    assert set(gaps[3:]) == {RETRY_GAPS_S[-1]}


def test_an_address_with_the_wrong_key_is_not_tried_again_and_the_race_goes_on() -> None:
    log = starts(checklist(1, 2), 8.0, {1: (0.01, DialOutcome.HOPELESS), 2: (0.01, DialOutcome.FAILED)})
    assert [last for _, last in log].count(1) == 1
    assert [last for _, last in log].count(2) > 2


def test_untried_addresses_come_before_retries() -> None:
    made = checklist(1)
    assert [int(c.address) & 255 for c in made.due(0.0)] == [1]
    made.ended(candidate(1), DialOutcome.FAILED, 0.0)
    made.add(candidate(9), 0.6)
    assert [int(c.address) & 255 for c in made.due(0.6)] == [9]


def test_no_more_than_the_allowed_number_runs_at_once() -> None:
    made = checklist(*range(1, 40))
    log = starts(made, 60.0)
    assert len(log) == PARALLEL_DIALS


def test_own_addresses_wait_until_the_peer_proves_to_be_here() -> None:
    made = checklist(1, 2, own=("192.168.1.1",))
    assert starts(made, 1.0) == [(0.0, 2)]
    made.same_host = True
    assert [int(c.address) & 255 for c in made.due(2.0)] == [1]


def test_loopback_is_dialled_on_this_host_only() -> None:
    loopback = Candidate(ip_address("127.0.0.1"), 5000)
    made = checklist()
    assert not made.add(loopback, 0.0)
    made.same_host = True
    assert made.add(loopback, 0.0)


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "0.0.0.0",
        "192.0.2.1",
        "198.18.0.1",
        "::1",
        "ff02::1",
        "::",
    ],
)
def test_no_packet_and_no_offer_makes_us_dial_these(text: str) -> None:
    assert not checklist().add(Candidate(ip_address(text), 5000), 0.0)


@pytest.mark.parametrize("port", [0, 22, 443, 1023])
def test_no_system_service_is_dialled(port: int) -> None:
    assert not checklist().add(candidate(1, port), 0.0)
    assert checklist().add(candidate(1, 1024), 0.0)


def test_a_known_address_keeps_its_state_and_gets_the_better_evidence() -> None:
    made = checklist(1, 2)
    assert not made.add(candidate(2, evidence=Evidence.SEEN_OVER_UDP), 0.0)
    assert [int(c.address) & 255 for c in made.due(0.0)] == [2]


def test_a_changed_network_makes_everything_worth_a_new_try() -> None:
    made = checklist(1)
    made.due(0.0)
    made.ended(candidate(1), DialOutcome.FAILED, 0.0)
    assert made.due(0.1) == []
    made.restart(0.1)
    assert made.due(0.1) == [candidate(1)]


def test_a_delayed_candidate_waits() -> None:
    made = Checklist(by_address)
    made.add(candidate(1), 0.0, delay=0.15)
    assert made.due(0.1) == []
    assert made.deadline() == pytest.approx(0.15)
    assert made.due(0.15) == [candidate(1)]


def test_a_change_of_the_network_takes_no_head_start_away() -> None:
    """A watch may tell of a change at any moment, also just after the candidates came."""
    made = Checklist(by_address)
    made.add(candidate(1), 0.0)
    made.add(candidate(2), 0.0, delay=0.5)
    assert made.due(0.0) == [candidate(1)]
    made.restart(0.1)
    assert made.due(0.3) == []
    assert made.due(0.5) == [candidate(2)]
    made.ended(candidate(2), DialOutcome.FAILED, 0.6)
    made.ended(candidate(1), DialOutcome.FAILED, 0.6)
    made.restart(0.7)
    assert made.due(0.7) == [candidate(1)]
    assert made.due(1.1) == []
    assert made.due(1.2) == [candidate(2)]


def test_a_dial_between_fixed_ports_keeps_its_moment_and_holds_nobody_up() -> None:
    made = checklist(1, 2, 3)
    timed = Candidate(ip_address("192.168.1.9"), 5000, dial_from=46_830)
    made.add(timed, 0.0, delay=0.25)
    log = starts(made, 0.3)
    assert log == [(0.0, 1), (STAGGER_S, 2), (2 * STAGGER_S, 3), (0.25, 9)]


def test_a_dial_between_fixed_ports_is_tried_again_sooner() -> None:
    made = checklist()
    made.add(Candidate(ip_address("192.168.1.9"), 5000, dial_from=46_830), 0.0)
    log = starts(made, 12.0, {9: (0.01, DialOutcome.REFUSED)})
    gaps = [round(after - before - 0.01, 3) for (before, _), (after, _) in pairwise(log)]
    assert gaps[:4] == list(PUNCH_GAPS_S)
    assert PUNCH_GAPS_S[0] < RETRY_GAPS_S[0]


def timed(last: int) -> Candidate:
    return Candidate(ip_address(f"192.168.1.{last}"), 46_830, dial_from=46_830)


def test_while_nobody_answers_somebody_dials_from_the_fixed_port_at_all_times() -> None:
    """Else the system refuses the other side's dial."""
    made, now = checklist(1), 0.0
    made.add(timed(9), 0.0)
    assert made.due(now) == [timed(9), candidate(1)]
    for now in (2.0, 4.0, 6.0):
        made.ended(timed(9), DialOutcome.UNANSWERED, now)
        assert made.due(now) == [timed(9)]
    made.ended(timed(9), DialOutcome.FAILED, now)
    made.ended(candidate(1), DialOutcome.UNANSWERED, now)
    assert made.due(now) == [], "no other dial is repeated without a pause"
    assert made.deadline() == now + RETRY_GAPS_S[0]


def test_a_living_address_has_its_turns_among_many_dead_ones() -> None:
    made = checklist()
    for last in (9, *range(100, 140)):
        made.add(timed(last), 0.0)
    log = [when for when, last in starts(made, 20.0, {
        9: (0.01, DialOutcome.REFUSED), **dict.fromkeys(range(100, 140), (2.0, DialOutcome.UNANSWERED)),
    }) if last == 9]  # fmt: skip
    assert max(after - before for before, after in pairwise(log)) <= 2 * CONNECT_TIMEOUT_S + PUNCH_GAPS_S[-1]


def test_a_connection_that_has_stood_hinders_no_dial_after_it_was_lost() -> None:
    """It was dialled, became the session, and its target was dropped meanwhile: nobody says that the dial has ended."""
    made = checklist(1)
    assert made.due(0.0) == [candidate(1)]
    made.drop(candidate(1))
    assert made.candidates() == []
    assert made.deadline() is None
    made.add(candidate(1), 100.0)
    assert made.due(100.0) == [candidate(1)]


def test_dials_between_fixed_ports_and_others_leave_each_other_room() -> None:
    made = checklist(*range(1, 40))
    for last in range(100, 140):
        made.add(timed(last), 0.0)
    under_way = made.due(0.0)
    for number in range(1, 60):
        under_way += made.due(number * STAGGER_S)
    assert sum(one.dial_from != 0 for one in under_way) == PARALLEL_OPENINGS
    assert sum(one.dial_from == 0 for one in under_way) == PARALLEL_DIALS
    assert made.deadline() is None
    for one in under_way[:PARALLEL_OPENINGS]:
        made.ended(one, DialOutcome.UNANSWERED, 10.0)
    others = {timed(last).address for last in range(100 + PARALLEL_OPENINGS, 140)}
    assert others < {one.address for one in made.due(10.0)}, "those that had no turn yet come first"


def test_whoever_is_asked_for_again_before_its_first_dial_is_dialled_at_the_earlier_time() -> None:
    made = checklist()
    made.add(timed(9), 0.0, delay=0.75)
    assert not made.add(timed(9), 0.2, delay=0.25)
    assert made.deadline() == 0.45
    made.due(0.45)
    made.ended(timed(9), DialOutcome.REFUSED, 0.5)
    made.add(timed(9), 0.5)
    assert made.deadline() == 0.5 + PUNCH_GAPS_S[0], "and no sooner once it was dialled"


# --- budgets ---------------------------------------------------------------------------------------------------


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = Bucket(3, 10.0)
    assert [bucket.take(0.0) for _ in range(5)] == [True, True, True, False, False]
    assert not bucket.take(9.0)
    assert bucket.take(10.0)
    assert [bucket.take(1000.0) for _ in range(5)] == [True, True, True, False, False]


def test_a_clock_that_stands_still_gives_nothing_away() -> None:
    bucket = Bucket(1, 1.0)
    assert bucket.take(5.0)
    assert not any(bucket.take(5.0) for _ in range(100))


def test_a_source_cannot_use_up_more_than_its_share_nor_all_of_them_more_than_the_whole() -> None:
    budget = PerSource(burst=4, window=10.0, total=20)
    one = ip_address("10.0.0.1")
    assert sum(budget.take(one, 0.0) for _ in range(100)) == 4
    many = [ip_address(0x0A000000 + number) for number in range(2, 2000)]
    assert sum(budget.take(source, 0.0) for source in many) <= 20


def test_a_whole_ipv6_subnet_is_one_source() -> None:
    assert source_key(ip_address("fd00::1")) == source_key(ip_address("fd00::ffff:ffff"))
    assert source_key(ip_address("fd00::1")) != source_key(ip_address("fd00:0:0:1::1"))
    assert source_key(ip_address("10.0.0.1")) != source_key(ip_address("10.0.0.2"))
