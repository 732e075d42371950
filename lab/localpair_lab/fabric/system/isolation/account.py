"""Whose the programs of a device are: an id of the machine's that nobody else has, or where there is none to spare, the
lab's own user inside a user namespace of its own.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpair_lab.fabric.system import namespaces

if TYPE_CHECKING:
    from collections.abc import Iterator

USUAL: Final = 1000  # what a device's programs see of themselves where no other id is theirs
_FIRST: Final = 1 << 30  # nobody gives such ids to people, and half of all remain above
_COUNT: Final = 1 << 30
_FEWEST: Final = 1 << 12
_OF_A_FABRIC: Final = 1 << 8


@dataclass(frozen=True, slots=True)
class Account:
    """A user and the group of the same number.

    ``is_mapped``: the machine knows it as whoever plays the lab, and a user namespace gives it its number.
    """

    number: int = USUAL
    is_mapped: bool = False

    @property
    def owner(self) -> int:
        """Whose its files are, as the lab sees them from outside the program's user namespace."""
        return 0 if self.is_mapped else self.number

    def lines(self) -> tuple[str, str]:
        """Its lines in /etc/passwd and /etc/group."""
        number = self.number
        return f"device:x:{number}:{number}::/run/home:/bin/sh\n", f"device:x:{number}:\n"

    def words(self) -> tuple[str, str]:
        """It as words of a command line; see ``from_words``."""
        return str(self.number), "mapped" if self.is_mapped else "own"

    @classmethod
    def from_words(cls, number: str, kind: str) -> Account:
        """What ``words`` made words of."""
        return cls(int(number), kind == "mapped")

    def enter(self) -> None:
        """The calling process becomes a process of this account's, for good. Raises ``OSError``."""
        if self.is_mapped:
            namespaces.become_user_of_own(self.number)
            return
        os.setgroups([])
        os.setresgid(self.number, self.number, self.number)
        os.setresuid(self.number, self.number, self.number)


def accounts(fabric: int) -> Iterator[Account]:
    """An account for each node in turn. ``fabric`` is a number that no other fabric of this machine has just now."""
    first, count = _spare(Path("/proc/self/uid_map").read_text())
    number = 0
    while True:
        yield Account(first + (fabric * _OF_A_FABRIC + number) % count) if count else Account(is_mapped=True)
        number += 1


def _spare(mapping: str) -> tuple[int, int]:
    """The ids that this process may give away, of those that its user namespace has: the first, and how many."""
    for line in mapping.splitlines():
        inside, _, count = map(int, line.split())
        if inside <= _FIRST and inside + count >= _FIRST + _COUNT:
            return _FIRST, _COUNT
        if count >= 2 * _FEWEST:
            return inside + count // 2, count // 4
    return 0, 0
