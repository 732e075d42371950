"""Numbers on command lines, for pytest and ``localpair-lab`` alike: a bad one is told before anything is read."""

from __future__ import annotations

import argparse


def positive(text: str, advice: str = "write a number above 0") -> int:
    """A number of things to do: none would look like success."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(advice)
    return int(text)


def natural(text: str) -> int:
    """A number that may be 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError("write a number, 0 or above")
    return int(text)


def part(text: str) -> tuple[int, int]:
    """``1/4``: the first of four parts."""
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise argparse.ArgumentTypeError("write it as 1/4, with the first number from 1 up to the second")
    return int(number), int(of)
