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
    from collections.abc import Iterator, Mapping, Sequence

    from localpair.cli.shell.tree import CommandNode, Option

VARIABLE: Final = "LOCALPAIR_CONFIG"
_EVERY: Final = "all"
_WITHOUT: Final = frozenset({"devices", "service", "completion", "config"})  # what they do is said each time
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
    switches: dict[str, bool] = {}  # the command's own table counts, also where it says false
    for name in (_EVERY, command):
        for key, value in tables.get(name, {}).items():
            if key in mine and mine[key].value is None:
                switches[key] = _switch(key, value)
            elif key in mine:
                found += _of_one(mine[key], key, value)
            elif name == command or key not in others:
                raise UsageError(f"{path()}: [{name}] has no option {key}", hint=_hint())
    return found + [mine[key].names[-1] for key, is_on in switches.items() if is_on]


def taken_back(words: Sequence[str], root: CommandNode) -> frozenset[str]:
    """The switches that the command line in ``words`` takes back: ``--yes`` for ``--no-yes``."""
    node = next((one for one in root.children if words and one.path[0] == words[0]), None)
    if node is None or words[0] in _WITHOUT:
        return frozenset()
    switches = {option.names[-1] for option in _options(node).values() if option.value is None}
    typed = words[: words.index("--")] if "--" in words else words
    return frozenset(switch for switch in switches if negated(switch) in typed)


def negated(switch: str) -> str:
    """The word that takes a switch back."""
    return f"--no-{switch.removeprefix('--')}"


def _options(node: CommandNode) -> dict[str, Option]:
    return {
        option.names[-1].removeprefix("--"): option
        for option in node.options
        if option.names[-1] not in _NOT_HERE
    }


def _switch(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{path()}: {key} is true or false", hint=_hint())
    return value


def _of_one(option: Option, key: str, value: object) -> Iterator[str]:
    name = option.names[-1]
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str | int | float) and not isinstance(one, bool) for one in values):
        raise UsageError(f"{path()}: {key} is a text, a number, or a list of them", hint=_hint())
    is_path = option.value is not None and option.value.kind in {"file", "folder"}
    return iter([f"{name}={Path(str(one)).expanduser() if is_path else one}" for one in values])


def _hint() -> str:
    return f"Correct it, or run with {VARIABLE}=none. `localpair config --help` has an example."
