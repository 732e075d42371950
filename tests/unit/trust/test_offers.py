"""What a device knows its latest offers by, from one run to the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from localpair.limits import EARLIER_OFFERS
from localpair.trust.store import TrustStore


def test_the_latest_offers_are_remembered_and_older_ones_go(tmp_path: Path) -> None:
    store = TrustStore(tmp_path / "state")
    assert store.earlier_offers() == []
    keys = [bytes([number] * 32) for number in range(EARLIER_OFFERS + 2)]
    for key in keys:
        store.note_offer(key)
    assert TrustStore(tmp_path / "state").earlier_offers() == keys[:1:-1]
    assert (tmp_path / "state" / "offers.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{}", "[1]", '["xyz"]', "[" * 4000, '["' + "00" * 5000 + '"]', "null"])
def test_a_broken_list_counts_as_none_and_is_written_anew(text: str, tmp_path: Path) -> None:
    (tmp_path / "offers.json").write_text(text)
    store = TrustStore(tmp_path)
    assert store.earlier_offers() == []
    store.note_offer(bytes(32))
    assert store.earlier_offers() == [bytes(32)]


def test_a_list_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    TrustStore(tmp_path / "state").note_offer(bytes(32))
