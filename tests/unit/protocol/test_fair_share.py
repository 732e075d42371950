"""Places for guests of many sources: who loses one, and who is served first."""

from __future__ import annotations

import random
from ipaddress import ip_address

import pytest

from localpair.protocol.rate_limits import FairShare


def share(places: int, draw: int = 0) -> FairShare[str]:
    """The oldest of those who may go is chosen, or the one of that number."""
    return FairShare(places, lambda below: min(draw, below - 1))


def fill(made: FairShare[str], *guests: str) -> list[str | None]:
    """Admit guests written ``name@address``; who lost a place for each."""
    return [made.admit(guest, ip_address(guest.partition("@")[2])) for guest in guests]


def test_as_long_as_there_is_room_nobody_loses_a_place() -> None:
    made = share(3)
    assert fill(made, "a@10.0.0.1", "b@10.0.0.1", "c@10.0.0.1") == [None] * 3
    made.leave("b@10.0.0.1")
    assert fill(made, "d@10.0.0.2") == [None]
    assert len(made) == 3


def test_whoever_takes_most_places_takes_them_from_itself() -> None:
    made = share(4)
    fill(made, "bob@10.0.0.20", "1@10.0.0.66", "2@10.0.0.66", "3@10.0.0.66")
    lost = fill(made, *(f"{number}@10.0.0.66" for number in range(4, 100)))
    assert "bob@10.0.0.20" in made
    assert None not in lost


def test_of_a_crowded_prefix_the_address_that_has_most_loses() -> None:
    """On a LAN the joiner and its neighbours share a /64."""
    made = share(4)
    fill(made, "bob@fd12::20", "1@fd12::66", "2@fd12::66", "eve@fd13::66")
    fill(made, *(f"{number}@fd12::66" for number in range(3, 100)))
    assert "bob@fd12::20" in made
    assert "eve@fd13::66" in made, "another prefix holds fewer"


@pytest.mark.parametrize("draw", [0, 1, 5])
def test_one_of_the_older_half_goes_and_never_the_newest(draw: int) -> None:
    made = share(4, draw)
    fill(made, *(f"{number}@10.0.0.{number}" for number in range(1, 5)))
    (lost,) = fill(made, "new@10.0.0.20")
    assert lost == ("1@10.0.0.1", "2@10.0.0.2", "3@10.0.0.3")[min(draw, 2)]


def test_with_ever_new_addresses_a_newcomer_keeps_its_place_for_half_a_round() -> None:
    dice = random.Random(1)
    for _ in range(50):
        made: FairShare[str] = FairShare(128, dice.randrange)
        fill(made, *(f"{number}@10.1.{number // 250}.{number % 250}" for number in range(128)))
        fill(made, "bob@10.0.0.20")
        fill(made, *(f"{number}@10.2.{number // 250}.{number % 250}" for number in range(63)))
        assert "bob@10.0.0.20" in made


def test_whoever_calls_seldom_is_served_first_and_of_a_crowd_the_newest() -> None:
    made = share(8)
    guests = ["1@10.0.0.66", "2@10.0.0.66", "bob@10.0.0.20", "3@10.0.0.66", "carl@10.0.0.21"]
    fill(made, *guests)
    assert made.seldom(guests) == [
        "carl@10.0.0.21", "bob@10.0.0.20", "3@10.0.0.66", "2@10.0.0.66", "1@10.0.0.66"
    ]  # fmt: skip


def test_who_is_evicted_or_gone_leaves_nothing_behind() -> None:
    made = share(2)
    fill(made, "a@10.0.0.1", "b@fd12::1")
    assert made.evict() is not None
    made.leave("a@10.0.0.1")
    made.leave("b@fd12::1")
    assert made.evict() is None
    assert (len(made), made._by_address, made._by_network) == (0, {}, {})
