"""The report code: what copying does to it is forgiven, and everything else is one clear error."""

from __future__ import annotations

import pytest

from localpair.causes.records.codec import FactsError
from localpair.causes.records.report_code import PREFIX, code_of, parse
from localpair.causes.records.telling import told
from localpair.limits import REPORT_CODE_CHARS
from run_facts import dropping_host, host, stuck_joiner

CODE = code_of(dropping_host())


def test_it_brings_the_facts_to_the_other_device() -> None:
    assert parse(CODE) == told(dropping_host())
    assert len(CODE) < 200, "a person can carry it, and a QR code holds it"


@pytest.mark.parametrize(
    "text",
    [
        CODE.lower(),
        f"Here: {CODE} . bye",
        "\n> ".join(CODE[at : at + 40] for at in range(0, len(CODE), 40)),
        f"{CODE} {CODE}",
    ],
)
def test_what_copying_does_to_it_is_forgiven(text: str) -> None:
    assert parse(text) == told(dropping_host())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "LR: is missing"),
        (CODE.removeprefix(PREFIX), "LR: is missing"),
        (CODE[:-3], "damaged"),
        (CODE[:20] + ("A" if CODE[20] != "A" else "B") + CODE[21:], "damaged"),
        (f"{CODE} {code_of(stuck_joiner())}", "more than one"),
        (CODE + " " * REPORT_CODE_CHARS, "too long"),
        ("LR:\x1b[2J" + CODE[3:], "damaged"),
    ],
)
def test_everything_else_is_one_clear_error(text: str, message: str) -> None:
    with pytest.raises(FactsError, match=message) as refused:
        parse(text)
    assert "\x1b" not in str(refused.value)
    assert refused.value.hint


def test_codes_of_two_runs_differ() -> None:
    assert code_of(host()) != CODE
