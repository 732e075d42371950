"""The words of a command line to a `Command`. Every mistake is a `UsageError`, and none repeats an offer."""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from localpair.cli import helptexts, options
from localpair.errors import UsageError
from localpair.limits import (
    ATTEMPT_S,
    DIAGNOSIS_S,
    DISCOVERY_VERDICT_S,
    LABEL_BYTES,
    LOWEST_DIALLED_PORT,
    OFFER_LIFETIME_S,
    PATH_DEPTH,
    STAGE_THREE_S,
)
from localpair.rules import Acceptance
from localpair.selection import EVERYTHING, Links, Selection
from localpair.terms import USUAL, Existing, Terms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_OFFER: Final = re.compile(r"\bLP:[A-Z2-7]{8}", re.IGNORECASE)
_SIZE: Final = re.compile(r"(\d{1,12}(?:\.\d{1,9})?) ?([kmgt]?)(i?)(?:b|bytes)?", re.IGNORECASE)
_TIMEOUT_MAX_S: Final = 7 * 86400.0  # a longer wait is a slip of the finger


def parse(words: Sequence[str]) -> options.Command:
    """The command in ``words``. Raises `UsageError`; ``--help`` and ``--version`` print and raise SystemExit."""
    if any(_OFFER.search(word) for word in words):
        raise UsageError(
            "an offer does not belong on the command line: other users can read it there, and the shell keeps it",
            hint="That offer is spoilt, so ask for a new one. Then run `localpair join` and paste it, pipe it to "
            "`localpair join -`, set LOCALPAIR_OFFER, or use --image FILE.",
        )
    given = _parser().parse_args(words)
    return _BUILDERS[given.command](given)


class _Parser(argparse.ArgumentParser):
    """Mistakes become errors like all others: one line and a hint."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"`{self.prog} --help` shows what it takes.")


def _page(text: str) -> dict[str, Any]:
    """The keyword arguments that make argparse show ``text`` as it is written."""
    description, _, examples = text.partition("\n\nexamples:\n")
    return {
        "description": description,
        "epilog": f"examples:\n{examples}" if examples else None,
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        "allow_abbrev": False,
    }


def _parser() -> argparse.ArgumentParser:
    from localpair._version import __version__

    parser = _Parser("localpair", **_page(helptexts.PROGRAM))
    parser.add_argument("--version", action="version", version=f"localpair {__version__}")
    adders = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (summary, text) in helptexts.COMMANDS.items():
        _ADDERS[name](adders.add_parser(name, help=summary, **_page(text)))
    return parser


def _add_host(parser: argparse.ArgumentParser) -> None:
    _add_pairing(parser, f"{OFFER_LIFETIME_S:.0f}")
    parser.add_argument(
        "--offer-addresses", choices=("all", "none"), default="all", help=helptexts.OFFER_ADDRESSES
    )
    parser.add_argument("--qr", metavar="terminal|none|FILE", type=_qr, help=helptexts.QR)


def _add_join(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", nargs="?", metavar="-", help=helptexts.STDIN)
    parser.add_argument("--image", metavar="FILE", type=Path, help=helptexts.IMAGE)
    _add_pairing(
        parser, f"{ATTEMPT_S:.0f}; as long as the offer lives where a person is shown an answer code"
    )
    # Both sides take the same options; a joiner makes no offer, so that these say nothing here.
    parser.add_argument("--offer-addresses", choices=("all", "none"), default="all", help=argparse.SUPPRESS)
    parser.add_argument("--qr", type=_qr, help=argparse.SUPPRESS)


def _add_pairing(parser: argparse.ArgumentParser, wait: str) -> None:
    parser.add_argument("--flow", choices=("pre", "post"), default="pre", help=helptexts.FLOW)
    parser.add_argument("--name", type=_name, default="", help=helptexts.NAME)
    _add_port(parser)
    _add_timeout(parser, None, wait)
    parser.add_argument("--send", metavar="PATH", type=Path, action="append", default=[], help=helptexts.SEND)
    _add_selection(parser)
    parser.add_argument("--receive", metavar="DIR", type=Path, help=helptexts.RECEIVE)
    _add_terms(parser)
    parser.add_argument("--yes", action="store_true", help=helptexts.YES)
    _add_json(parser)


def _add_discover(parser: argparse.ArgumentParser) -> None:
    _add_timeout(parser, DISCOVERY_VERDICT_S)
    _add_json(parser)


def _add_addresses(parser: argparse.ArgumentParser) -> None:
    _add_timeout(parser, STAGE_THREE_S)
    _add_json(parser)


def _add_diagnose(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", nargs="?", metavar="-", help=helptexts.STDIN)
    parser.add_argument("--offer", action="store_true", help=helptexts.ASK_OFFER)
    parser.add_argument("--image", metavar="FILE", type=Path, help=helptexts.IMAGE)
    parser.add_argument("--output", metavar="FILE", type=Path, help=helptexts.OUTPUT)
    parser.add_argument("--redact", action="store_true", help=helptexts.REDACT)
    parser.add_argument("--merge", metavar="REPORT", nargs="*", help=helptexts.MERGE)
    _add_timeout(parser, DIAGNOSIS_S)
    _add_json(parser)


def _add_devices(parser: argparse.ArgumentParser) -> None:
    _add_json(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    _add_json(actions.add_parser("list", help="show them (default)", allow_abbrev=False), nested=True)
    for name, summary in (("forget", "remove a device"), ("revoke", "refuse a device from now on")):
        action = actions.add_parser(name, help=summary, allow_abbrev=False)
        action.add_argument("device", metavar="DEVICE")
        _add_json(action, nested=True)
    rename = actions.add_parser("rename", help="give a device a name of your own", allow_abbrev=False)
    rename.add_argument("device", metavar="DEVICE")
    rename.add_argument("name", metavar="NAME", type=_name)
    _add_json(rename, nested=True)
    _add_parts(actions.add_parser("parts", help="files that did not arrive whole", **_page(helptexts.PARTS)))
    _add_rules(actions.add_parser("rules", help="what happens to what it sends", **_page(helptexts.RULES)))


def _add_parts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("device", metavar="DEVICE", nargs="?", default="", help=helptexts.PARTS_OF)
    parser.add_argument("--remove", action="store_true", help=helptexts.REMOVE_PARTS)
    _add_json(parser, nested=True)


def _add_rules(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("device", metavar="DEVICE")
    parser.add_argument("--accept", choices=[str(one) for one in Acceptance], help=helptexts.ACCEPT)
    parser.add_argument("--receive", metavar="DIR", type=_folder, help=helptexts.RECEIVE_RULE)
    parser.add_argument("--max-size", metavar="SIZE", type=_size, help=helptexts.MAX_SIZE_RULE)
    parser.add_argument("--reset", action="store_true", help=helptexts.RESET_RULE)
    _add_json(parser, nested=True)


def _add_send(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("device", metavar="DEVICE", help="its name, its id, or the beginning of its id")
    parser.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="a file or folder")
    _add_selection(parser)
    parser.add_argument("--dry-run", action="store_true", help=helptexts.DRY_RUN)
    _add_port(parser)
    _add_timeout(parser, ATTEMPT_S)
    _add_json(parser)


def _add_listen(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--receive", metavar="DIR", type=Path, default=Path(), help=helptexts.RECEIVE_HERE)
    _add_terms(parser)
    parser.add_argument("--once", action="store_true", help=helptexts.ONCE)
    parser.add_argument("--yes", action="store_true", help=helptexts.YES)
    _add_port(parser)
    _add_timeout(parser, None, "none")
    _add_json(parser)


def _add_terms(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--max-files", metavar="N", type=_count, default=USUAL.files, help=helptexts.MAX_FILES
    )
    parser.add_argument("--max-size", metavar="SIZE", type=_size, default=USUAL.size, help=helptexts.MAX_SIZE)
    parser.add_argument(
        "--max-depth", metavar="N", type=_depth, default=USUAL.depth, help=helptexts.MAX_DEPTH
    )
    parser.add_argument("--allow-hidden", action="store_true", help=helptexts.ALLOW_HIDDEN)
    parser.add_argument(
        "--existing",
        choices=[str(one) for one in Existing],
        default=str(USUAL.existing),
        help=helptexts.EXISTING,
    )


def _add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--exclude", metavar="PATTERN", action="append", default=[], help=helptexts.EXCLUDE)
    links = [str(one) for one in Links]
    parser.add_argument("--links", choices=links, default=str(EVERYTHING.links), help=helptexts.LINKS)


def _add_port(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", metavar="N", type=_port, default=0, help=helptexts.PORT)


def _add_timeout(parser: argparse.ArgumentParser, default: float | None, shown: str = "") -> None:
    said = helptexts.TIMEOUT % (shown or f"{default:g}")
    parser.add_argument("--timeout", metavar="S", type=_seconds, default=default, help=said)


def _add_json(parser: argparse.ArgumentParser, *, nested: bool = False) -> None:
    # A nested parser would set its default over what stood before the nested word.
    default = argparse.SUPPRESS if nested else False
    parser.add_argument("--json", action="store_true", default=default, help=helptexts.JSON)


def _seconds(word: str) -> float:
    value = float(word)
    if not (math.isfinite(value) and 0 < value <= _TIMEOUT_MAX_S):
        raise argparse.ArgumentTypeError(f"{word!r} is no time in seconds above 0")
    return value


def _port(word: str) -> int:
    value = int(word)
    if not LOWEST_DIALLED_PORT <= value <= 65535:
        raise argparse.ArgumentTypeError(f"{word!r} is no port from {LOWEST_DIALLED_PORT} to 65535")
    return value


def _count(word: str) -> int:
    value = int(word)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is no number above 0")
    return value


def _depth(word: str) -> int:
    value = int(word)
    if not 1 <= value <= PATH_DEPTH:
        raise argparse.ArgumentTypeError(f"{word!r} is no number from 1 to {PATH_DEPTH}")
    return value


def _size(word: str) -> int:
    found = _SIZE.fullmatch(word)
    if found is None:
        raise argparse.ArgumentTypeError(f"{word!r} is no size such as 500M or 1.5 GB")
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** " kmgt".index(unit.lower() or " "))


def _folder(word: str) -> Path:
    if not word.strip():  # a variable of the shell that is not set
        raise argparse.ArgumentTypeError("no folder is named")
    return Path(word)


def _name(word: str) -> str:
    if len(word.encode(errors="replace")) > LABEL_BYTES:
        raise argparse.ArgumentTypeError(f"the name has more than {LABEL_BYTES} bytes")
    return word


def _qr(word: str) -> str:
    if word not in {"terminal", "none"} and Path(word).suffix.lower() not in {".svg", ".png"}:
        raise argparse.ArgumentTypeError(f"{word!r} is neither terminal nor none nor a name in .svg or .png")
    return word


# argparse names the type in its message where a conversion raises ValueError.
_seconds.__name__, _port.__name__ = "time in seconds", "port"
_count.__name__ = _depth.__name__ = "number"


def _terms(given: argparse.Namespace) -> Terms:
    existing = Existing(given.existing)
    if existing is Existing.ASK and given.yes:
        raise UsageError(
            "--existing ask asks, and --yes says that nobody is asked", hint="Leave one of the two out."
        )
    return Terms(
        files=given.max_files,
        size=given.max_size,
        depth=given.max_depth,
        allow_hidden=given.allow_hidden,
        existing=existing,
    )


def _selection(given: argparse.Namespace) -> Selection:
    return Selection(tuple(given.exclude), Links(given.links))


def _pair_options(given: argparse.Namespace) -> options.PairOptions:
    return options.PairOptions(
        flow=given.flow,
        offer_addresses=given.offer_addresses,
        name=given.name,
        port=given.port,
        timeout=given.timeout,
        send=tuple(given.send),
        receive=given.receive,
        qr=given.qr,
        yes=given.yes,
        json=given.json,
        terms=_terms(given),
        selection=_selection(given),
    )


def _join(given: argparse.Namespace) -> options.Join:
    if given.source not in {None, "-"}:
        raise UsageError(
            "join takes no argument but a hyphen",
            hint="Run `localpair join` and paste the offer, or pipe it to `localpair join -`.",
        )
    return options.Join(_pair_options(given), stdin=given.source == "-", image=given.image)


def _diagnose(given: argparse.Namespace) -> options.Diagnose:
    merge = None if given.merge is None else tuple(given.merge)
    if merge is not None and len(merge) > 2:
        raise UsageError(
            "more than two reports were given", hint="Give this device's and the other device's."
        )
    if merge is not None and (given.output is not None or given.redact):
        raise UsageError(
            "--merge makes no report, so that there is nothing to write or to mask",
            hint="Leave out --output and --redact.",
        )
    if given.source not in {None, "-"}:
        raise UsageError(
            "diagnose takes no argument but a hyphen",
            hint="`localpair diagnose --offer` asks for an offer; `localpair diagnose -` reads it from standard input.",
        )
    return options.Diagnose(
        given.timeout, given.output, given.json, given.redact, merge,
        stdin=given.source == "-", image=given.image, offer=given.offer,
    )  # fmt: skip


def _devices(given: argparse.Namespace) -> options.Devices:
    return options.Devices(
        action=given.action or "list",
        device=getattr(given, "device", ""),
        name=getattr(given, "name", ""),
        json=given.json,
        rule=_rule(given) if given.action == "rules" else options.RuleOptions(),
        remove=getattr(given, "remove", False),
    )


def _rule(given: argparse.Namespace) -> options.RuleOptions:
    accept = None if given.accept is None else Acceptance(given.accept)
    return options.RuleOptions(accept, given.receive, given.max_size, given.reset)


_ADDERS: Final[dict[str, Callable[[argparse.ArgumentParser], None]]] = {
    "host": _add_host,
    "join": _add_join,
    "discover": _add_discover,
    "addresses": _add_addresses,
    "diagnose": _add_diagnose,
    "devices": _add_devices,
    "send": _add_send,
    "listen": _add_listen,
}
_BUILDERS: Final[dict[str, Callable[[argparse.Namespace], options.Command]]] = {
    "host": lambda given: options.Host(_pair_options(given)),
    "join": _join,
    "discover": lambda given: options.Discover(given.timeout, given.json),
    "addresses": lambda given: options.Addresses(given.timeout, given.json),
    "diagnose": _diagnose,
    "devices": _devices,
    "send": lambda given: options.Send(
        given.device,
        tuple(given.paths),
        given.timeout,
        given.port,
        given.json,
        _selection(given),
        given.dry_run,
    ),
    "listen": lambda given: options.Listen(
        given.receive, given.timeout, given.once, given.port, given.json, _terms(given), given.yes
    ),
}
