"""What a firewall may do is told once: the nft text, the oracle and the docs go by one table."""

from __future__ import annotations

from typing import get_args

import pytest
from localpair_lab.model.words.verdicts import Verdict
from localpair_lab.oracle.packet import filtered, is_answered
from localpair_lab.verdicts import VERDICTS

import places


def test_every_verdict_that_a_scenario_may_use_has_its_row() -> None:
    assert tuple(VERDICTS) == get_args(Verdict)


@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_docs_have_its_line(verdict: Verdict) -> None:
    page = (places.DOCS / "lab.md").read_text(encoding="utf-8")
    assert f"| `{verdict}` | {VERDICTS[verdict].means} |" in page


@pytest.mark.parametrize("verdict", [name for name, kind in VERDICTS.items() if not kind.passes])
def test_the_oracle_tells_an_answer_from_silence(verdict: Verdict) -> None:
    for hook in ("in", "out", "through"):
        assert is_answered(filtered(hook, verdict)) is VERDICTS[verdict].is_answered
