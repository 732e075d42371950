"""One try at something that the system may refuse: what it said, and how long it took."""

from __future__ import annotations

import errno
import time
from collections.abc import Awaitable, Callable
from typing import ParamSpec

from localpair.dataclass import dataclass

_Arguments = ParamSpec("_Arguments")


@dataclass(frozen=True, slots=True)
class TimedCall:
    """``error`` is None where it worked; ``ms`` is how long it took."""

    error: OSError | None
    ms: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether it worked."""
        return self.error is None

    @property
    def refused(self) -> bool:
        """Whether a port is somebody else's: taken, or reserved for the privileged."""
        return self.error is not None and self.error.errno in (errno.EADDRINUSE, errno.EACCES)


def attempt(
    action: Callable[_Arguments, object], *words: _Arguments.args, **named: _Arguments.kwargs
) -> TimedCall:
    """Do it now. Whatever is no OSError is raised."""
    started = time.monotonic()
    try:
        action(*words, **named)
    except OSError as error:
        return TimedCall(error, _since(started))
    return TimedCall(None, _since(started))


async def attempt_soon(action: Awaitable[object]) -> TimedCall:
    """Wait for it. Whatever is no OSError is raised."""
    started = time.monotonic()
    try:
        await action
    except OSError as error:
        return TimedCall(error, _since(started))
    return TimedCall(None, _since(started))


def _since(started: float) -> float:
    return (time.monotonic() - started) * 1e3
