"""Minimising leaves out what a failure does not need, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import yaml
from localpair_lab.rebuild.minimise import minimised, parts, text_without

DOCUMENT = {
    "lab": "1",
    "summary": "Two devices.",
    "markers": ["found"],
    "networks": {"lan": {"ip": "192.168.1.0/24", "isolation": "clients"}, "spare": "10.0.0.0/24"},
    "routers": {"gw": {"on": {"lan": "192.168.1.1"}}},
    "devices": {
        "alice": {"on": {"lan": "192.168.1.10"}, "gateway": "192.168.1.1", "firewall": {"in": "drop"}},
        "bob": {"on": {"lan": "192.168.1.20"}},
    },
    "pair": {"host": "bob", "join": "alice", "timeout": "5s"},
    "expect": [{"of": "join", "exit": "3"}],
}


def needs(*words: str) -> Callable[[Sequence[str]], list[bool]]:
    """Stands in for plays: a scenario fails in the same way while all of these words are in it."""
    return lambda texts: [all(word in text for word in words) for text in texts]


def test_only_what_the_failure_needs_is_left() -> None:
    smaller = minimised(DOCUMENT, needs("isolation"))
    assert smaller["networks"] == {"lan": {"ip": "192.168.1.0/24", "isolation": "clients"}}
    assert "routers" not in smaller
    assert smaller["devices"]["alice"] == {"on": {"lan": "192.168.1.10"}}


def test_what_needs_each_other_stays_together() -> None:
    smaller = minimised(DOCUMENT, needs("isolation", "gateway", "gw:"))
    assert smaller["routers"] == DOCUMENT["routers"]
    assert smaller["devices"]["alice"]["gateway"] == "192.168.1.1"
    assert "firewall" not in smaller["devices"]["alice"]


def test_parts_that_can_go_alone_and_not_together_are_tried_by_halves() -> None:
    def either(texts: Sequence[str]) -> list[bool]:
        return ["isolation" in text or "firewall" in text for text in texts]

    smaller = minimised(DOCUMENT, either)
    left = [word in str(smaller) for word in ("isolation", "firewall")]
    assert sum(left) == 1


def test_expectations_and_words_about_the_scenario_stay() -> None:
    assert not {path[0] for path in parts(DOCUMENT)} & {"expect", "summary", "markers", "lab"}
    smaller = minimised(DOCUMENT, lambda texts: [True for _ in texts])
    assert {key: smaller[key] for key in ("expect", "summary", "markers", "pair")} == {
        key: DOCUMENT[key] for key in ("expect", "summary", "markers", "pair")
    }


def test_what_is_no_scenario_any_more_is_never_played() -> None:
    assert text_without(DOCUMENT, [("devices", "bob")]) == ""
    assert text_without(DOCUMENT, [("networks", "lan")]) == ""
    assert "spare" not in yaml.safe_load(text_without(DOCUMENT, [("networks", "spare")]))["networks"]
