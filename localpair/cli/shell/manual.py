"""The tree of commands as a manual page (man, section 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localpair.cli.shell.tree import CommandNode, Option


def page(root: CommandNode, version: str) -> str:
    """The page in roff."""
    description, _, rest = root.description.partition("\n\n")
    lines = [
        f'.TH LOCALPAIR 1 "" "localpair {_text(version)}" "User Commands"',
        ".SH NAME",
        f"localpair \\- {_text(' '.join(description.split()))}",
        ".SH SYNOPSIS",
        _text(root.usage),
        ".SH DESCRIPTION",
        *_paragraphs(description),
        *_paragraphs(rest),
        ".SH COMMANDS",
    ]
    for node in root.walk():
        if node.path:
            lines += _command(node)
    lines += [
        ".SH OPTIONS",
        *_options(root.options),
        ".SH EXAMPLES AND NOTES",
        ".nf",
        _lines(root.examples),
        ".fi",
    ]
    return "\n".join(lines) + "\n"


def _command(node: CommandNode) -> list[str]:
    lines = [f'.SS "localpair {" ".join(node.path)}"', _sentence(node.summary), ".PP", _text(node.usage)]
    lines += _paragraphs(node.description)
    lines += _options(node.options)
    if node.examples:
        lines += [".PP", "Examples:", ".PP", ".nf", _lines(node.examples), ".fi"]
    return lines


def _options(options: tuple[Option, ...]) -> list[str]:
    lines: list[str] = []
    for option in options:
        value = f" \\fI{_text(option.value.name)}\\fR" if option.value is not None else ""
        names = ", ".join(f"\\fB{_text(name)}\\fR{value}" for name in option.names)
        lines += [".TP", names, _text(option.summary)]
    return lines


def _paragraphs(text: str) -> list[str]:
    found: list[str] = []
    for paragraph in text.split("\n\n"):
        if paragraph.strip():
            found += [".PP", _text(" ".join(paragraph.split()))]
    return found


def _lines(text: str) -> str:
    return "\n".join(_text(line) for line in text.splitlines())


def _sentence(text: str) -> str:
    return _text(text[:1].upper() + text[1:] + ".") if text else ""


def _text(text: str) -> str:
    """What roff shows as ``text``: no line of it is a request, and hyphens can be copied."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + escaped if escaped.startswith((".", "'")) else escaped
