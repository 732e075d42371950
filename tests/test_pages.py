"""The pages for people who carry on name what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import places

PAGES = (
    places.ROOT / "CONTRIBUTING.md",
    places.DOCS / "architecture.md",
    *sorted((places.DOCS / "decisions").glob("*.md")),
)
BASES = (places.ROOT, places.ROOT / "localpair", places.ROOT / "lab" / "localpair_lab")
WORD = re.compile(r"`([\w*]+(?:/[\w.*-]+)+/?|[\w*]+\.py)`")
LINK = re.compile(r"\]\(([^)#:]+)")


@pytest.mark.skipif(
    not (places.ROOT / "lab").is_dir(), reason="the source distribution of localpair has no lab"
)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_and_folder_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    missing = [word for word in WORD.findall(text) if not any(list(base.glob(word)) for base in BASES)]
    missing += [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    assert missing == []
