"""Flow post: which of the devices near is meant."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cli_fakes import (
    NEARBY,
    Api,
    Pairing,
    Request,
)
from localpair.cli import main

if TYPE_CHECKING:
    pass
from cli_typing import Typist, _json

OTHERS = [
    NEARBY,
    replace(NEARBY, instance="c3", alias="blue wren", role="listen"),
    replace(NEARBY, instance="d4", alias="grey owl"),
]


@pytest.mark.parametrize(
    ("typed", "chosen"),
    [
        (["2\n"], "grey owl"),
        (["1\n"], "amber falcon"),
        (["\n", "0\n", "3\n", "²\n", "x\n", " 2 \n"], "grey owl"),
    ],
)
def test_a_device_is_chosen_by_its_number(
    typed: list[str],
    chosen: str,
    api: Api,
    terminal: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    typist = Typist(terminal, monkeypatch, *typed)
    api.pairing.nearby = OTHERS
    assert main(["host", "--flow", "post"], api) == 0
    assert [peer.alias for peer in api.pairing.chosen] == [chosen]
    assert len(typist.asked) == len(typed)
    said = capsys.readouterr().err
    assert "  1  amber falcon" in said
    assert "blue wren" not in said


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("", "The other device is amber falcon, whose name is Anna's laptop (3f2a-9c11-07de), at"),
        ("Anna's laptop", "The other device is Anna's laptop (3f2a-9c11-07de), at"),
    ],
)
def test_the_chosen_device_is_asked_about_by_the_name_in_the_list(
    label: str,
    told: str,
    api: Api,
    terminal: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Typist(terminal, monkeypatch, "1\n", "y\n")
    api.pairing.nearby, api.pairing.request = [replace(NEARBY, label=label)], Request()
    assert main(["host", "--flow", "post"], api) == 0
    assert told in capsys.readouterr().err


def test_the_end_of_the_terminal_chooses_nothing(
    api: Api, terminal: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Typist(terminal, monkeypatch, "\x04")
    api.pairing.nearby = OTHERS
    assert main(["host", "--flow", "post", "--json"], api) == 4
    assert _json(capsys)[-1]["reason"] == "cancelled"


def test_without_a_person_yes_takes_the_only_device(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.pairing.nearby = OTHERS[:2]
    assert main(["host", "--flow", "post", "--yes"], api) == 0
    assert api.pairing.chosen == [NEARBY]
    api.pairing = Pairing(nearby=OTHERS)
    assert main(["host", "--flow", "post", "--yes"], api) == 0
    assert api.pairing.chosen == [None]
    api.pairing = Pairing(nearby=OTHERS[:1])
    capsys.readouterr()
    assert main(["host", "--flow", "post", "--json"], api) == 4
    assert _json(capsys)[-1]["hint"].startswith("Add --yes")
