"""Files at a limited rate, by a clock that only waiting moves."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_trees import Tree, harvest, pair, plant, transfer
from localpair.errors import UsageError
from localpair.limits import RATE_BURST_S, RATE_LEAST, RECEIVE_BLOCK_BYTES
from localpair.protocol.transfer.allowance import Allowance
from localpair.transfer.pace import Pace
from streams import run

RATE = 200_000
FILES = {"d/large": os.urandom(1_000_000), **{f"d/small{number}": os.urandom(10_000) for number in range(20)}}
SIZE = sum(len(data) for data in FILES.values())
TREE: Tree = {"d": None, **FILES}


class Waiting:
    """A clock that stands still but for those who wait; ``longest`` is the longest single wait."""

    def __init__(self) -> None:
        self.now = self.longest = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        self.longest = max(self.longest, seconds)
        await asyncio.sleep(0)
        self.now = max(self.now, until)  # others may have waited meanwhile

    def pace(self) -> Pace:
        return Pace(RATE, clock=self, sleep=self.sleep)


@pytest.mark.parametrize(
    ("side", "step_s"), [(0, 0.5), (1, RECEIVE_BLOCK_BYTES / RATE)], ids=["sender", "receiver"]
)
def test_a_side_that_limits_the_rate_carries_no_faster(
    side: int, step_s: float, source: Path, target: Path
) -> None:
    async def main() -> None:
        waiting = Waiting()
        async with pair() as both:
            both[side].limit(waiting.pace())
            await transfer(*both, [plant(source, TREE)], target)
        assert harvest(target) == TREE
        assert waiting.now >= SIZE / RATE - 2 * RATE_BURST_S
        assert waiting.now <= SIZE / RATE + RATE_BURST_S, "and hardly slower than allowed"
        assert waiting.longest <= step_s, "in small steps"

    run(main())


def test_sessions_that_share_a_pace_share_its_rate(tmp_path: Path) -> None:
    async def main() -> None:
        waiting = Waiting()
        pace = waiting.pace()
        source = plant(tmp_path / "source", TREE)
        async with pair() as first, pair() as second:
            for number, (one, _) in enumerate((first, second)):
                (tmp_path / str(number)).mkdir()
                one.limit(pace)
            await asyncio.gather(
                transfer(*first, [source], tmp_path / "0"), transfer(*second, [source], tmp_path / "1")
            )
        assert waiting.now >= 2 * SIZE / RATE - 2 * RATE_BURST_S

    run(main())


@given(st.integers(RATE_LEAST, 10**9), st.lists(st.tuples(st.floats(0, 10), st.integers(0, 1 << 20))))
def test_never_more_than_the_rate_and_one_burst(rate: int, spent: list[tuple[float, int]]) -> None:
    """Whoever waits as told has, at any time, sent no more than the rate allows since any earlier time."""
    allowance, now, total = Allowance(rate), 0.0, 0
    for pause, count in spent:
        now += pause
        now += allowance.spend(now, count)
        total += count
        assert total <= rate * (now + RATE_BURST_S) * 1.000001


def test_what_was_not_used_is_not_saved_up() -> None:
    allowance = Allowance(1000)
    assert allowance.spend(0.0, 1000) == pytest.approx(1 - RATE_BURST_S)
    assert allowance.spend(1000.0, 1000) == pytest.approx(1 - RATE_BURST_S)


def test_a_rate_that_would_look_like_a_dead_connection_is_refused() -> None:
    with pytest.raises(UsageError, match="too low"):
        Pace(RATE_LEAST - 1)
