"""A fault of the lab or of this machine, with what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


HINT = "run: localpair-lab doctor"


class LabError(Exception):
    """The lab's own fault: verdict BROKEN. ``hint`` says what to do about it."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
