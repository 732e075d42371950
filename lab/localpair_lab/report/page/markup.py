"""HTML that cannot be broken by what devices say: text is escaped unless it was made here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from localpair_lab.visible_text import markup


class Markup(str):
    """HTML whose text is escaped already; the caller that makes one vouches for that."""

    __slots__ = ()


Content: TypeAlias = "str | Markup | Iterable[str | Markup]"
_VOID = frozenset({"input", "br", "hr", "meta", "link"})


def text(value: str) -> Markup:
    """Words as they are to be read; characters that no page can hold, or that nobody sees, are written as escapes."""
    return value if isinstance(value, Markup) else Markup(markup(value))


def joined(parts: Content, between: str = "") -> Markup:
    """All parts, escaped where they are no markup."""
    if isinstance(parts, str):
        return text(parts)
    return Markup(text(between).join(text(part) for part in parts))


def tag(name: str, content: Content = "", /, **attributes: str | bool | None) -> Markup:
    """One element. Attributes: ``class_`` is ``class``, ``data_at`` is ``data-at``; False and None leave one out."""
    told = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{text(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Markup(f"<{name}{told}>")
    return Markup(f"<{name}{told}>{joined(content)}</{name}>")
