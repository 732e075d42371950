"""The configuration file: options that a person does not want to type each time.

What it says goes in front of what was typed, and the last word counts: the command line, then the table of the command,
then the table ``all``, then what is usual.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localpair.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from localpair.cli.shell.tree import CommandNode, Option

VARIABLE: Final = "LOCALPAIR_CONFIG"
_EVERY: Final = "all"
_WITHOUT: Final = frozenset({"devices", "completion", "config"})  # what they do is said each time
_NOT_HERE: Final = frozenset({"--help", "--version"})


def path() -> Path | None:
    """The file: ``LOCALPAIR_CONFIG`` (``none`` for none), else ``config.toml`` in ``LOCALPAIR_HOME``, else in the
    platform's place for settings.
    """
    chosen = os.environ.get(VARIABLE, "")
    if chosen:
        return None if chosen == "none" else Path(chosen).expanduser()
    home = os.environ.get("LOCALPAIR_HOME", "")
    if home:
        return Path(home).expanduser() / "config.toml"
    import platformdirs

    return platformdirs.user_config_path("localpair", appauthor=False) / "config.toml"


def read() -> dict[str, Any]:
    """The tables of the file; nothing where there is none. Raises UsageError for one that cannot be read."""
    file = path()
    if file is None:
        return {}
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        if os.environ.get(VARIABLE):
            raise UsageError(f"there is no {file}", hint=f"{VARIABLE} names it.") from None
        return {}
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", hint=_hint()) from error
    import tomllib

    try:
        return tomllib.loads(text.decode("utf-8"))
    except ValueError as error:
        raise UsageError(f"{file} is no TOML: {error}", hint=_hint()) from None


def words(tables: Mapping[str, Any], root: CommandNode, command: str) -> list[str]:
    """What ``tables`` say for ``command``, as words of a command line. Raises UsageError for an unknown table or
    option, and for a value of the wrong kind.
    """
    known = {node.path[0]: node for node in root.children if node.path[0] not in _WITHOUT}
    for name, table in tables.items():
        if name not in {_EVERY, *known} or not isinstance(table, dict):
            raise UsageError(
                f"{path()}: there is no table [{name}]", hint=f"There are {_EVERY}, {', '.join(known)}."
            )
    node = known.get(command)
    if node is None:
        return []
    mine = _options(node)
    others = {key for one in known.values() for key in _options(one)}
    found: list[str] = []
    for name in (_EVERY, command):
        for key, value in tables.get(name, {}).items():
            if key in mine:
                found += _of_one(mine[key], key, value)
            elif name == command or key not in others:
                raise UsageError(f"{path()}: [{name}] has no option {key}", hint=_hint())
    return found


def _options(node: CommandNode) -> dict[str, Option]:
    return {
        option.names[-1].removeprefix("--"): option
        for option in node.options
        if option.names[-1] not in _NOT_HERE
    }


def _of_one(option: Option, key: str, value: object) -> Iterator[str]:
    name = option.names[-1]
    if option.value is None:
        if not isinstance(value, bool):
            raise UsageError(f"{path()}: {key} is true or false", hint=_hint())
        return iter([name] if value else [])
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str | int | float) and not isinstance(one, bool) for one in values):
        raise UsageError(f"{path()}: {key} is a text, a number, or a list of them", hint=_hint())
    is_path = option.value.kind in {"file", "folder"}
    return iter([f"{name}={Path(str(one)).expanduser() if is_path else one}" for one in values])


def _hint() -> str:
    return f"Correct it, or run with {VARIABLE}=none. `localpair config --help` has an example."
