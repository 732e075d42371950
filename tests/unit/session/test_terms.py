"""Terms of receiving, over a session."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from file_trees import BIG, TREE, harvest, pair, parts_in, plant, transfer
from localpair.choices.terms import Terms
from localpair.errors import TransferError
from streams import run


@pytest.mark.parametrize("terms", [Terms(files=3), Terms(size=BIG)])
def test_a_transfer_beyond_its_terms_is_stopped_and_the_session_goes_on(
    source: Path, target: Path, terms: Terms
) -> None:
    async def main() -> None:
        async with pair() as (one, other):
            sent, received = await asyncio.gather(
                one.send_files([plant(source)]), other.receive_files(target, terms), return_exceptions=True
            )
            for error in (sent, received):
                assert isinstance(error, TransferError)
                assert "it brings more than" in error.message
            assert isinstance(received, TransferError)
            assert "--max-files" in (received.hint or "")
            whole = target / "whole"
            whole.mkdir()
            await transfer(one, other, [source / "d"], whole)
            assert harvest(whole) == TREE

    run(main())
    assert not parts_in(target)
