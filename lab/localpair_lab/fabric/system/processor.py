"""One processor for all that sends: on one only, packets arrive in the order in which they were sent.

A packet that waits for its receiver's hardware address leaves once the answer is read, on whichever processor reads it;
one that is sent meanwhile on another processor overtakes it, and so does whatever a program sends after it has moved.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

_libc: Final = ctypes.CDLL(None, use_errno=True)


def keep_to_one() -> int:
    """Keep the calling process, and all that it starts from now on, on the processor that it runs on: its number."""
    number = int(_libc.sched_getcpu())
    keep_to(number)
    return number


def keep_to(number: int) -> None:
    """The same on a processor that another process was kept to. Raises ``OSError`` where it is not ours to use."""
    os.sched_setaffinity(0, {number})
