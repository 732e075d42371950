"""What a person has decided once and for all about files that one paired device sends."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from localpair.dataclass import dataclass


class Acceptance(StrEnum):
    """What happens to files that a device sends."""

    ALWAYS = "always"  # they are stored, and nobody is asked
    ASK = "ask"  # a person is asked each time
    NEVER = "never"  # they are refused, and nobody is asked


@dataclass(frozen=True, slots=True)
class DeviceRule:
    """The rule for one device. Raises ValueError where its parts make no sense.

    ``folder`` takes the place of the one that the receiver would use otherwise; an absolute path, or empty for none.
    ``max_size`` bounds one transfer, in bytes of all files together; None: only the receiver's own terms do.
    """

    accept: Acceptance = Acceptance.ASK
    folder: str = ""
    max_size: int | None = None

    def __post_init__(self) -> None:
        if self.folder and not Path(self.folder).is_absolute():
            raise ValueError("the folder of a rule is an absolute path")
        if self.max_size is not None and self.max_size < 0:
            raise ValueError("no transfer is smaller than nothing")


NO_RULE = DeviceRule()
"""What holds for a device that nothing was said about."""
