"""What a check notes becomes plain JSON, and keeps no secret."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from localpair.diagnosis import (
    CheckNotes,
    Status,
)
from localpair.diagnosis.evidence import plain


def test_bytes_are_no_fact_since_a_secret_is_bytes() -> None:
    notes = CheckNotes(1)
    for value in (b"x", bytearray(b"x"), [b"x"], {"a": b"x"}, object()):
        with pytest.raises(TypeError):
            notes.fact("secret", value)
    assert notes.close().facts == {}


def test_values_become_plain_json() -> None:
    value = {
        "a": IPv4Address("10.0.0.1"),
        "b": (Status.OK, float("inf")),
        "c": {3, 1},
        "d": Path("/x"),
        5: None,
    }
    assert plain(value) == {"a": "10.0.0.1", "b": ["ok", None], "c": [1, 3], "d": str(Path("/x")), "5": None}


def test_a_fact_noted_earlier_is_not_changed_by_a_later_one() -> None:
    notes = CheckNotes(1)
    notes.add("rows", 1)
    notes.add("rows", 2)
    taken = notes.close()
    notes.add("rows", 3)
    notes.say("too late")
    assert taken.facts == {"rows": [1, 2]}
    assert notes.close().summary == ""
