"""Evidence as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    pass


Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None


Facts: TypeAlias = Mapping[str, Json]
