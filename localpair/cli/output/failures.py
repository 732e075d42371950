"""Exceptions to `RunFailure`: which word, which sentence, which exit code."""

from __future__ import annotations

import traceback
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from localpair import errors
from localpair.cli.output.results import RunFailure

if TYPE_CHECKING:
    from collections.abc import Iterator


class RunFailedError(errors.LocalpairError):
    """Ends a run with a failure that was put together before."""

    def __init__(self, failure: RunFailure) -> None:
        super().__init__(failure.message, hint=failure.hint)
        self.failure = failure


# The first class that fits decides, so the narrow ones stand first.
_REASONS: Final[tuple[tuple[type[errors.LocalpairError], str], ...]] = (
    (errors.StateError, "state"),
    (errors.LocalError, "local"),
    (errors.OfferError, "offer"),
    (errors.UsageError, "usage"),
    (errors.PeerEndedError, "ended"),
    (errors.UnreachableError, "unreachable"),
    (errors.WireError, "protocol"),
    (errors.RemoteError, "protocol"),
    (errors.TransferError, "transfer"),
)
_UNEXPECTED: Final = "Run it again with LOCALPAIR_DEBUG=1 in the environment and report what it prints."


def explain(error: BaseException) -> RunFailure:
    """``error`` as a failure. Of a group, the first error that localpair raised on purpose counts."""
    leaves = list(_leaves(error))
    for leaf in leaves:
        if isinstance(leaf, RunFailedError):
            return leaf.failure
        if isinstance(leaf, errors.LocalpairError):
            return RunFailure(_reason(leaf), leaf.message, leaf.hint, leaf.exit_code, leaf.why)
    if isinstance(leaves[0], OSError):
        return _of_system(leaves[0])
    return RunFailure("unexpected", _place(leaves[0]), _UNEXPECTED, 1)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _reason(error: errors.LocalpairError) -> str:
    if isinstance(error, errors.RefusedError):
        return str(error.reason)
    return next((word for cls, word in _REASONS if isinstance(error, cls)), "local")


def _of_system(error: OSError) -> RunFailure:
    what = error.strerror or type(error).__name__
    where = f": {error.filename}" if error.filename else ""
    return RunFailure("local", f"{what}{where}", _UNEXPECTED, 1)


def _place(error: BaseException) -> str:
    """The kind of an unexpected error and where it arose. Its message might hold anything and is left out."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {PurePath(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return f"an unexpected {type(error).__name__}{where}"
