"""The glossary is short, sorted and true: one line for each term, and each module that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import places

LINE = re.compile(r"- \*\*(?P<term>[^*]+)\*\*: .+; `(?P<module>[a-z_/]+\.py)`\.")
SECTIONS = (places.DOCS / "glossary.md").read_text("utf-8").split("\n## ")[1:]


def terms(section: str) -> list[re.Match[str]]:
    lines = section.split("\n", 2)[2].strip().split("\n")
    found = [LINE.fullmatch(line) for line in lines]
    assert all(found), [line for line, match in zip(lines, found, strict=True) if not match]
    return [match for match in found if match]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.split("\n")[0])
def test_each_term_has_one_line_in_its_order_and_a_module_that_exists(section: str) -> None:
    found = terms(section)
    names = [match["term"] for match in found]
    assert names == sorted(set(names))
    modules = [Path(match["module"]) for match in found]
    present = [
        module for module in modules if (places.ROOT / module.parts[0]).is_dir()
    ]  # no lab in the sdist
    missing = [module for module in present if not (places.ROOT / module).is_file()]
    assert missing == []


def test_no_term_stands_in_two_sections() -> None:
    names = [match["term"] for section in SECTIONS for match in terms(section)]
    assert len(names) == len(set(names))
