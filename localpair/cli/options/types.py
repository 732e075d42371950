"""Words to values: what argparse calls the types of options. Every mistake says what was expected."""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path
from typing import Final

from localpair.limits import LABEL_BYTES, LOWEST_DIALLED_PORT, NAME_BYTES, PATH_DEPTH, RATE_LEAST

_SIZE: Final = re.compile(r"(\d{1,12}(?:\.\d{1,9})?) ?([kmgt]?)(i?)(?:b|bytes)?", re.IGNORECASE)
_TIMEOUT_MAX_S: Final = 7 * 86400.0  # a longer wait is a slip of the finger


def seconds(word: str) -> float:
    """A time in seconds."""
    value = float(word)
    if not (math.isfinite(value) and 0 < value <= _TIMEOUT_MAX_S):
        raise argparse.ArgumentTypeError(f"{word!r} is no time in seconds above 0")
    return value


def port(word: str) -> int:
    """A port that other devices dial."""
    value = int(word)
    if not LOWEST_DIALLED_PORT <= value <= 65535:
        raise argparse.ArgumentTypeError(f"{word!r} is no port from {LOWEST_DIALLED_PORT} to 65535")
    return value


def number(word: str) -> int:
    """A count of things, at least one."""
    value = int(word)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is no number above 0")
    return value


def depth(word: str) -> int:
    """How many folders may lie in each other."""
    value = int(word)
    if not 1 <= value <= PATH_DEPTH:
        raise argparse.ArgumentTypeError(f"{word!r} is no number from 1 to {PATH_DEPTH}")
    return value


def size(word: str) -> int:
    """Bytes: ``500M``, ``1.5 GB``, ``2GiB``."""
    found = _SIZE.fullmatch(word)
    if found is None:
        raise argparse.ArgumentTypeError(f"{word!r} is no size such as 500M or 1.5 GB")
    amount, unit, binary = found.groups()
    return int(float(amount) * (1024 if binary else 1000) ** " kmgt".index(unit.lower() or " "))


def rate(word: str) -> int:
    """Bytes a second, in the words of `size`; 0 for no limit."""
    value = size(word)
    if 0 < value < RATE_LEAST:
        raise argparse.ArgumentTypeError(
            f"{word!r} is {value} bytes a second; at least {RATE_LEAST // 1000}K are possible"
        )
    return value


def folder(word: str) -> Path:
    """A folder that has a name."""
    if not word.strip():  # a variable of the shell that is not set
        raise argparse.ArgumentTypeError("no folder is named")
    return Path(word)


def file_name(word: str) -> str:
    """The name of a file, without any folder."""
    if word in {"", ".", ".."} or "/" in word or "\0" in word or len(word.encode()) > NAME_BYTES:
        raise argparse.ArgumentTypeError(f"{word!r} is no name of a file")
    return word


def label(word: str) -> str:
    """The name of a device."""
    if len(word.encode(errors="replace")) > LABEL_BYTES:
        raise argparse.ArgumentTypeError(f"the name has more than {LABEL_BYTES} bytes")
    return word


def qr(word: str) -> str:
    """Where a QR code is drawn."""
    if word not in {"terminal", "none"} and Path(word).suffix.lower() not in {".svg", ".png"}:
        raise argparse.ArgumentTypeError(f"{word!r} is neither terminal nor none nor a name in .svg or .png")
    return word


# argparse names the type in its message where a conversion raises ValueError.
seconds.__name__ = "time in seconds"
depth.__name__ = number.__name__
