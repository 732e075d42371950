"""A folder and a store for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from localpair.trust.store import TrustStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def store(folder: Path) -> TrustStore:
    return TrustStore(folder)
