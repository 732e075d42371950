"""The page of causes holds every word of the vocabulary, and no other."""

from __future__ import annotations

import re
from enum import StrEnum

import pytest

import places
from cause_cases import BROADER
from localpair.causes.judge import RULES
from localpair.causes.vocabulary import Cause, RunNote

PAGE = (places.DOCS / "causes.md").read_text("utf-8")
ROW = re.compile(r"^\| `([a-z-]+)` \|", re.MULTILINE)
UNSAID = set(Cause) - {cause for rule in RULES for cause in rule.causes}


@pytest.mark.parametrize(
    ("words", "part"), [(Cause, PAGE.partition("## Notes")[0]), (RunNote, PAGE.partition("## Notes")[2])]
)
def test_the_page_lists_the_vocabulary(words: type[StrEnum], part: str) -> None:
    assert ROW.findall(part) == [one.value for one in words]


def test_causes_without_a_rule_are_named_as_such() -> None:
    rows = {row for row in PAGE.splitlines() if "no rule says it yet" in row}
    assert {ROW.match(row)[1] for row in rows} == set(UNSAID)  # type: ignore[index]


def test_a_broader_cause_is_another_one() -> None:
    for cause, broader in BROADER.items():
        assert cause not in broader
        assert not UNSAID & broader
