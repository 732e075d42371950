"""Where the repository keeps what tests read beside the package."""

from __future__ import annotations

from pathlib import Path

SUPPORT = Path(__file__).resolve().parent
TESTS = SUPPORT.parent
VECTORS = TESTS / "vectors"
ROOT = TESTS.parent
DOCS = ROOT / "docs"
