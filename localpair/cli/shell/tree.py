"""The commands and options as a tree of values, read from the parsers themselves: what completion and the manual are
made of, so that neither can say anything else than ``--help``.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from localpair.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

_KINDS: Final = {"DIR": "folder", "DEVICE": "device", "FILE": "file", "PATH": "file", "REPORT": "file"}


@dataclass(frozen=True, slots=True)
class Value:
    """What follows an option, or stands by itself. ``kind``: file, folder, device, or empty for anything."""

    name: str
    kind: str = ""
    choices: tuple[str, ...] = ()
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """An option. ``value`` is None for one that takes none."""

    names: tuple[str, ...]
    summary: str
    value: Value | None = None


@dataclass(frozen=True, slots=True)
class CommandNode:
    """A command, or an action of one; ``path`` is its words, none for the program itself."""

    path: tuple[str, ...]
    summary: str
    description: str
    examples: str
    usage: str
    options: tuple[Option, ...]
    values: tuple[Value, ...]
    children: tuple[CommandNode, ...]

    def walk(self) -> Iterator[CommandNode]:
        """This one and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


def read(parser: argparse.ArgumentParser, path: tuple[str, ...] = (), summary: str = "") -> CommandNode:
    """The tree of ``parser``. What its help hides is not in it."""
    options: list[Option] = []
    values: list[Value] = []
    children: list[CommandNode] = []
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to tell what a parser takes
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - the same
            children = list(_children(action, path))
        elif action.help is argparse.SUPPRESS:
            continue
        elif action.option_strings:
            said = (action.help or "") % {"default": action.default}
            taken = None if action.nargs == 0 else _value(action)
            options.append(Option(tuple(action.option_strings), said, taken))
        else:
            values.append(_value(action))
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    examples = (parser.epilog or "").removeprefix("examples:\n").rstrip()
    return CommandNode(
        path, summary, (parser.description or "").strip(), examples, usage,
        tuple(options), tuple(values), tuple(children),
    )  # fmt: skip


def _children(
    action: argparse._SubParsersAction[argparse.ArgumentParser],
    path: tuple[str, ...],
) -> Iterator[CommandNode]:
    summaries = {one.dest: one.help or "" for one in action._choices_actions}  # noqa: SLF001 - the same
    for name, parser in action.choices.items():
        yield read(parser, (*path, name), summaries.get(name, ""))


def _value(action: argparse.Action) -> Value:
    shown = action.metavar if isinstance(action.metavar, str) else action.dest
    words = tuple(str(choice) for choice in action.choices or ())
    *plain, last = shown.split("|")
    if action.metavar is not None and plain:  # such as terminal|none|FILE
        return Value(shown, _KINDS.get(last, ""), tuple(plain))
    if words and action.metavar is None:
        shown = "|".join(words)
    return Value(shown, _KINDS.get(shown, ""), words, action.nargs in {"*", "+"})
