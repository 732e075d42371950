"""What a person asked for, as frozen values: one for each command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from localpair.selection import EVERYTHING, Selection
from localpair.terms import USUAL, Terms

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Literal

    from localpair.rules import Acceptance

    Flow: TypeAlias = Literal["pre", "post"]
    OfferAddresses: TypeAlias = Literal["all", "none"]


@dataclass(frozen=True, slots=True)
class PairOptions:
    """What ``host`` and ``join`` have in common. ``timeout`` in seconds; None: as long as the flow needs."""

    flow: Flow = "pre"
    offer_addresses: OfferAddresses = "all"
    name: str = ""
    port: int = 0
    timeout: float | None = None
    send: tuple[Path, ...] = ()
    receive: Path | None = None
    qr: str | None = None  # terminal | none | the name of a file; None: whatever suits the output
    yes: bool = False
    json: bool = False
    terms: Terms = USUAL
    selection: Selection = EVERYTHING


@dataclass(frozen=True, slots=True)
class Host:
    """``localpair host``: make an offer and wait."""

    options: PairOptions

    @property
    def json(self) -> bool:
        """Whether events go to standard output."""
        return self.options.json


@dataclass(frozen=True, slots=True)
class Join:
    """``localpair join``: read an offer and go there."""

    options: PairOptions
    stdin: bool = False
    image: Path | None = None

    @property
    def json(self) -> bool:
        """Whether events go to standard output."""
        return self.options.json


@dataclass(frozen=True, slots=True)
class Discover:
    """``localpair discover``: who is near. ``timeout`` in seconds."""

    timeout: float
    json: bool = False


@dataclass(frozen=True, slots=True)
class Addresses:
    """``localpair addresses``: the three stages. ``timeout`` in seconds."""

    timeout: float
    json: bool = False


@dataclass(frozen=True, slots=True)
class Diagnose:
    """``localpair diagnose``: every check, in series. ``timeout`` in seconds; ``output`` takes a copy.

    ``redact`` masks what strangers need not know. ``merge``: judge two reports, of which these are named, and measure
    nothing.
    """

    timeout: float
    output: Path | None = None
    json: bool = False
    redact: bool = False
    merge: tuple[str, ...] | None = None
    stdin: bool = False
    image: Path | None = None
    offer: bool = False  # ask for it


@dataclass(frozen=True, slots=True)
class RuleOptions:
    """What is to change in the rule for a device: what is None stays, unless ``reset`` takes the rule back first."""

    accept: Acceptance | None = None
    receive: Path | None = None
    max_size: int | None = None
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Devices:
    """``localpair devices``: what the trust store holds, and changes to it."""

    action: Literal["list", "rename", "rules", "parts", "forget", "revoke"] = "list"
    device: str = ""
    name: str = ""
    json: bool = False
    rule: RuleOptions = RuleOptions()
    remove: bool = False  # the parts that ``parts`` lists


@dataclass(frozen=True, slots=True)
class Send:
    """``localpair send``: find a paired device again and send to it. ``timeout`` in seconds.

    With ``dry_run`` nobody is called: what would be sent is shown.
    """

    device: str
    paths: tuple[Path, ...]
    timeout: float
    port: int = 0
    json: bool = False
    selection: Selection = EVERYTHING
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Listen:
    """``localpair listen``: take what paired devices send. ``timeout`` in seconds; None: until interrupted."""

    receive: Path
    timeout: float | None = None
    once: bool = False
    port: int = 0
    json: bool = False
    terms: Terms = USUAL
    yes: bool = False


Command: TypeAlias = Host | Join | Discover | Addresses | Diagnose | Devices | Send | Listen


def needs_output(command: Command) -> bool:
    """Whether the command is of no use without standard output: it shows what was asked for there, or the offer."""
    if command.json:
        return True
    match command:
        case Host():
            return command.options.qr in {None, "terminal", "none"}  # else the offer is in a picture
        case Devices():
            return command.action == "list" or (command.action == "parts" and not command.remove)
        case Diagnose():
            return command.output is None or command.merge is not None
        case Send():
            return command.dry_run
        case Join() | Listen():
            return False
        case _:
            return True
