"""The words of a command line to a `Command`. Every mistake is a `UsageError`, and none repeats an offer."""

from __future__ import annotations

import argparse
import difflib
import importlib
import re
from typing import TYPE_CHECKING, Final, NoReturn, cast

from localpair.cli.options.shared import page
from localpair.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from localpair.cli.command import Command, OptionsModule

HELP: Final = """\
Pairs two devices on one local network, sends files between them, and says why
where that fails.

examples:
  localpair host --name kitchen --send a.zip   shows a QR code and a text
  localpair join --receive ~/Downloads         on the other one: asks for it
  localpair listen                             later, on the kitchen's device
  localpair send kitchen more.zip              on the other one: needs no code
  localpair diagnose                           when two do not find each other

exit codes: 0 done, 1 a fault of this device, 2 wrong usage or an unreadable
offer, 3 no path to the other device, 4 refused, 5 paired but the transfer
failed, 6 diagnose found a cause, 130 interrupted.
environment: LOCALPAIR_HOME (where keys and devices are kept), LOCALPAIR_OFFER
(read by join), LOCALPAIR_CONFIG (a file of options, or none), NO_COLOR,
LOCALPAIR_DEBUG=1 (a log on standard error),
LOCALPAIR_TRACE=FILE (what happens on the network, a JSON line each).
"""
COMMANDS: Final = {
    "host": "show an offer and wait for the other device",
    "join": "read the offer of the other device and pair",
    "discover": "list the devices that are near",
    "addresses": "show the addresses of this device and what is known about each",
    "diagnose": "run every check of this device's network, and report",
    "devices": "list, rename, forget or revoke paired devices, and set rules for them",
    "send": "send files to a paired device that listens",
    "listen": "receive what paired devices send",
    "service": "receive in the background, at each login",
    "config": "show what the configuration file says",
    "completion": "print completion for a shell, or the manual page",
}
"""The commands, each with a module in `localpair.cli.options`, and what the list of them says of each."""

_NO_CHOICE: Final = re.compile(r"invalid choice: '([^']*)' \((?:choose from )?(.*)\)")
_UNKNOWN: Final = re.compile(r"unrecognized arguments: (?:.* )?(--[^ =]+)")
_OFFER: Final = re.compile(r"\bLP:[A-Z2-7]{8}", re.IGNORECASE)


def parse(words: Sequence[str]) -> Command:
    """The command in ``words``. Raises `UsageError`; ``--help`` and ``--version`` print and raise SystemExit."""
    if any(_OFFER.search(word) for word in words):
        raise UsageError(
            "an offer does not belong on the command line: other users can read it there, and the shell keeps it",
            hint="That offer is spoilt, so ask for a new one. Then run `localpair join` and paste it, pipe it to "
            "`localpair join -`, set LOCALPAIR_OFFER, or use --image FILE.",
        )
    parser = _parser(words)
    words, back = _without_negations(words)
    configured = [word for word in _configured(words, parser) if word not in back]
    try:
        given = parser.parse_args([*words[:1], *configured, *words[1:]])
    except UsageError as error:
        meant = _meant(error.message, parser)
        if not meant:
            raise
        raise UsageError(error.message, hint=f"Did you mean `{meant}`? {error.hint}") from None
    return _options(given.command).build(given)


def _without_negations(words: Sequence[str]) -> tuple[Sequence[str], frozenset[str]]:
    """``words`` without those such as ``--no-yes``, and the switches that these take back from the configuration."""
    if not any(word.startswith("--no-") for word in words):
        return words, frozenset()
    from localpair.cli import config
    from localpair.cli.shell import tree

    back = config.taken_back(words, tree.read(whole_parser()))
    gone = {config.negated(switch) for switch in back}
    return [word for word in words if word not in gone], back


def _configured(words: Sequence[str], parser: argparse.ArgumentParser) -> list[str]:
    """What the configuration file adds to the command in ``words``. Raises UsageError, also for a value in it that the
    command does not take.
    """
    if not words or words[0] not in COMMANDS or {"-h", "--help"} & set(words):
        return []
    from localpair.cli import config

    tables = config.read()
    if not tables:
        return []
    from localpair.cli.shell import tree

    found = config.words(tables, tree.read(whole_parser()), words[0])
    for word in found:
        try:
            parser.parse_known_args([words[0], word])
        except UsageError as error:
            if f"argument {word.partition('=')[0]}" in error.message:
                raise UsageError(f"{config.path()}: {error.message}", hint=error.hint) from None
    return found


def whole_parser() -> argparse.ArgumentParser:
    """Knows every command with all its options."""
    return _parser(list(COMMANDS))


def _meant(message: str, parser: argparse.ArgumentParser) -> str:
    """The word that a mistyped command, option or choice is closest to; empty where none is close."""
    if (choice := _NO_CHOICE.search(message)) is not None:
        typed, known = choice[1], re.findall(r"[\w-]+", choice[2])
    elif (unknown := _UNKNOWN.search(message)) is not None:
        typed, known = unknown[1], list(_option_names(parser))
    else:
        return ""
    return next(iter(difflib.get_close_matches(typed, known, 1)), "")


def _option_names(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The options that are known to ``parser`` and those below it, as far as their help shows them."""
    from localpair.cli.shell import tree

    for node in tree.read(parser).walk():
        for option in node.options:
            yield from option.names


def _options(name: str) -> OptionsModule:
    """The module of a command's options; it is imported for this command only."""
    return cast("OptionsModule", importlib.import_module(f"localpair.cli.options.{name}"))


class _Parser(argparse.ArgumentParser):
    """Mistakes become errors like all others: one line and a hint."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"`{self.prog} --help` shows what it takes.")


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Knows every command by name, and the options of those that ``words`` name."""
    from localpair._version import __version__

    parser = _Parser("localpair", **page(HELP))
    parser.add_argument("--version", action="version", version=f"localpair {__version__}")
    adders = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        if name in words:
            options = _options(name)
            options.add_options(adders.add_parser(name, help=summary, **page(options.HELP)))
        else:
            adders.add_parser(name, help=summary)
    return parser
