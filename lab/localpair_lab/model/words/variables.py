"""The environment variables that a scenario file may set, and what may stand in them.

A variable can be a command: ``PYTHONWARNINGS``, ``LD_PRELOAD``, ``PATH`` and many others make a program run code of
the file's author. So a file may set those that are listed here and no others. Each of them is read by localpair itself,
or is a word about the surroundings that people's machines really have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Final, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema

_TEXT: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]{0,1000}")
_WORD: Final = re.compile(r"[A-Za-z0-9_.@:+-]{0,64}")  # no path: some of these choose a file by their value
_NUMBER: Final = re.compile(r"[0-9]{0,4}")
_BELOW_STATE: Final = re.compile(r"@state(/(?!\.{0,2}(/|$))[^/\x00-\x1f]{1,64}){1,8}")
_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy", "socks_proxy", "ftp_proxy", "no_proxy")

_ALLOWED: Final[Mapping[str, tuple[re.Pattern[str], str]]] = {
    "LOCALPAIR_HOME": (_BELOW_STATE, "a folder of the device, such as @state/other"),
    "LOCALPAIR_DEBUG": (_WORD, "a word"),
    **dict.fromkeys((*_PROXIES, *map(str.upper, _PROXIES)), (_TEXT, "a line of text")),
    **dict.fromkeys(("NO_COLOR", "COLORTERM", "TERM", "LANG", "LC_ALL", "LC_CTYPE"), (_WORD, "a word")),
    **dict.fromkeys(("COLUMNS", "LINES"), (_NUMBER, "a number")),
    **dict.fromkeys(
        ("FLATPAK_ID", "KUBERNETES_SERVICE_HOST", "SNAP", "SSH_CONNECTION"), (_TEXT, "a line of text")
    ),
}
"""Each name with the form of its values, and that form in words."""


def read_variable(value: object) -> str:
    """The name of a variable that a file may set. Raises ValueError for all others."""
    text = str(value)
    if text not in _ALLOWED:
        close = get_close_matches(text, _ALLOWED, n=1)
        listed = f"did you mean {close[0]}?" if close else f"there is {', '.join(sorted(_ALLOWED))}"
        raise ValueError(f"{text!r} is no variable that a scenario may set; {listed}")
    return text


def unfit(name: str, value: str) -> str:
    """What is wrong with a value of one of those variables; empty: nothing."""
    pattern, words = _ALLOWED[name]
    return "" if pattern.fullmatch(value) else f"{value[:40]!r} is no value for {name}; write {words}"


Variable: TypeAlias = Annotated[
    str, BeforeValidator(read_variable), WithJsonSchema({"enum": sorted(_ALLOWED), "type": "string"})
]
