"""What pydantic found wrong, in the lab's own words."""

from __future__ import annotations

import re
from typing import Any

from localpair_lab.loading.known_keys import known_keys
from localpair_lab.loading.problems import Where, meant
from localpair_lab.model.scenario import Scenario


def problem_message(entry: Any, where: Where) -> tuple[str, str]:
    """A message of pydantic's in the lab's own words, and what may have been meant."""
    kind, context = entry["type"], entry.get("ctx") or {}
    if kind == "missing":
        return f"{where[-1]!r} is missing", ""
    if kind == "extra_forbidden":
        return _unknown_key(str(where[-1]), sorted(known_keys(Scenario, where[:-1])))
    if kind == "literal_error":
        message, close = _unknown_word(str(entry["input"]), str(context["expected"]))
        is_one_of_several = str(where[-1]).startswith("literal[")  # as pydantic names it beside a list
        return (message if close or not is_one_of_several else f"{message}, and no list"), close
    if kind == "union_tag_invalid":
        return _unknown_word(str(context["tag"]), str(context["expected_tags"]))
    if kind == "union_tag_not_found":
        return "'do' is missing: it says what happens", ""
    if kind == "string_pattern_mismatch":
        return _unfit(str(entry["input"]), str(context["pattern"])), ""
    return _PLAIN.get(kind) or str(entry["msg"]).removeprefix("Value error, "), ""


_PLAIN = {
    "model_type": "a mapping is expected here",
    "model_attributes_type": "a mapping is expected here",
    "dict_type": "a mapping is expected here",
    "tuple_type": "a list is expected here",
    "string_type": "a plain word or text is expected here",
    "string_too_short": "there is no text here",
}


def _unknown_key(key: str, known: list[str]) -> tuple[str, str]:
    intended = meant(key, known)
    if intended:
        return f"unknown key {key!r}", intended
    return f"unknown key {key!r}; known here: {', '.join(known)}", ""


def _unknown_word(word: str, expected: str) -> tuple[str, str]:
    known = [found for found in re.findall(r"'([^']*)'", expected) if found]
    close = meant(word, known)
    return (
        (f"{word!r} is not known here", close)
        if close
        else (f"{word!r} is not one of {', '.join(known)}", "")
    )


def _unfit(text: str, pattern: str) -> str:
    for key, example in _PATTERNS:
        if key in pattern:
            return f"{text!r} is not understood; write it as {example}"
    return f"{text!r} is not understood"


_PATTERNS = (
    ("https?", "https://example.org/thread/1"),
    (r"\d{4}-", "2030-12-31"),
    ("(/", "device or device/interface, such as bob/eth0"),
)
