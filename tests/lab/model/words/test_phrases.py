"""Phrases: text that a line holds, with words in it, and no way to make the lab think for ever."""

from __future__ import annotations

import time

import pytest
from localpair_lab.model.words.phrases import LONGEST_LINE, matched, read_phrase


@pytest.mark.parametrize(
    ("phrase", "line", "words"),
    [
        ("paired", "2 devices paired.", {}),
        ("paired", "nobody", None),
        ("found {address}", "1.2: found 192.168.1.10 here", {"address": "192.168.1.10"}),
        ("from {address}:{port}", "from fe80::1:5000", {"address": "fe80::1", "port": "5000"}),
        ("{who} joined", "at last bob joined", {"who": "bob"}),
        ("{who} joined", " joined", None),
        ("code is {code}", "code is ", None),
        ("a {} c", "a b c", {}),
        ("a {} c", "a b b c", None),
        ("to {path.remote}.", "to 10.0.0.1.", {"path.remote": "10.0.0.1"}),
        ('{"found": "{name}"}', 'x {"found": "bob"}', {"name": "bob"}),
        ("found {x}!", "found it, found you!", {"x": "you"}),
    ],
)
def test_a_phrase_takes_the_words_of_a_line(phrase: str, line: str, words: dict[str, str] | None) -> None:
    assert matched(read_phrase(phrase), line) == words


@pytest.mark.parametrize(
    ("phrase", "told"),
    [
        ("{name}", "fits any line"),
        ("a {b}{c}", "nothing between them"),
        ("  ", "text"),
        ("a" * 500, "at most"),
    ],
)
def test_a_phrase_that_means_nothing_is_refused(phrase: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_phrase(phrase)


def test_no_phrase_and_no_line_take_long() -> None:
    hard = read_phrase("a{x}a{y}a{z}a{w}a{v}b")
    started = time.process_time()
    assert matched(hard, "a" * (10 * LONGEST_LINE)) is None
    assert time.process_time() - started < 2
