"""A receiver takes any number of entries in constant memory."""

from __future__ import annotations

from pathlib import Path

import pytest

import receivers
from streams import run


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize("kind", ["unreadable", "files in folders"])
def test_a_receivers_memory_does_not_grow_with_the_number_of_entries(kind: str) -> None:
    """Where each entry is remembered, 8,000 more of them cost 4 and 13 MiB."""
    with receivers.memory_folder() as folder:
        assert run(receivers.growth(receivers.KINDS[kind], folder, 11_000, 19_000), limit=240) < 2
