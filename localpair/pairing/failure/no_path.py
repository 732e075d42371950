"""Why no path was found: a first explanation, from what this side has seen itself."""

from __future__ import annotations

from collections.abc import Iterable

from localpair.candidate import Origin
from localpair.errors import UnreachableError
from localpair.events import Attempt, Phase
from localpair.net.agent.counts import SearchRecord
from localpair.wire.beacon import Part
from localpair.wire.messages import NO_LOCALPAIR

# Linux gives EHOSTUNREACH at once where a firewall answered, and after three seconds where nobody answered ARP; our
# own timer ends a dial before that.
_AT_ONCE_MS = 1000.0
_SAID = {
    "ETIMEDOUT": "no answer (dropped, or nobody there)",
    "ECONNREFUSED": "refused (the port is closed there, or a firewall rejects)",
    "ENETUNREACH": "no route leads there",
    "EPERM": "this host's own firewall refused to send",
    "EACCES": "this host's own firewall refused to send",
    "ECONNRESET": "the connection was cut",
    "EADDRNOTAVAIL": "the interface for it is gone",
}
# What a system says of a connection that the other side has ended, before or after what was sent.
_ENDED = frozenset({"ECONNRESET", "EPIPE", "ECONNABORTED", "ENOTCONN", "ESHUTDOWN"})
# What a dial of an address ends with that leads nowhere.
_NOWHERE = frozenset({"ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH"})


def no_path(record: SearchRecord, *, answered: bool = False) -> UnreachableError:
    """The error for an attempt that ran out of time. ``answered``: it showed an answer code, and nobody came."""
    tried, heard = _latest(record.attempts), record.heard
    passed_over = _passed_over(record)
    if not tried and not heard:
        which = "none of its addresses may be called" if passed_over else "no address of it is known"
        message = f"the other device was not found: nothing was heard from it, and {which}"
    elif not tried:
        message = "the other device was heard, but none of its addresses could be tried"
    else:
        listing = "; ".join(f"{attempt.candidate} {describe(attempt)}" for attempt in tried)
        how = "heard, but not reached" if heard else "not reached, and nothing was heard from it"
        message = f"the other device was {how}: {listing}"
    message = "; ".join((message, *passed_over))
    return UnreachableError(message, hint=_hint(record, tried, answered=answered))


def _passed_over(record: SearchRecord) -> tuple[str, ...]:
    """The addresses that were known and not called, each with the reason."""
    held_back = record.held_back.items()
    return (
        *(f"{address} was not called: {reason}" for address, reason in held_back),
        *record.dropped,
    )


def describe(attempt: Attempt) -> str:
    """What came of one dial, in words."""
    if attempt.errno == "EHOSTUNREACH":
        by_firewall = attempt.ms < _AT_ONCE_MS
        return "rejected by a firewall" if by_firewall else "no such host on the link (nobody answers ARP)"
    if attempt.phase is Phase.CONNECT and attempt.errno:
        return _SAID.get(attempt.errno, attempt.errno)
    if attempt.phase is Phase.PREAMBLE:
        return _before_a_word(attempt)
    return f"failed at {attempt.phase}: {_lost(attempt) or attempt.detail}"


def _before_a_word(attempt: Attempt) -> str:
    """The connection stood, and no word of localpair came over it. From here nobody can tell a login page from a device
    that hangs.
    """
    if attempt.errno == "ETIMEDOUT":
        return "takes the connection and says nothing: something else answers there, or a device that hangs"
    if attempt.errno in _ENDED:
        return "takes the connection and ends it: something else answers there, or a device that is busy"
    if attempt.errno:
        return f"took the connection and was lost: {_lost(attempt)}"
    return f"takes the connection: {attempt.detail}"


def _lost(attempt: Attempt) -> str:
    """What ended a connection that stood already."""
    if attempt.errno == "ETIMEDOUT":
        return "nothing more was heard in time"
    return "the connection was cut" if attempt.errno in _ENDED else _SAID.get(attempt.errno, attempt.errno)


def _is_stranger(attempt: Attempt) -> bool:
    """Whether it may well be no localpair that answers there."""
    silent = attempt.errno in {"ETIMEDOUT", *_ENDED} or attempt.detail == NO_LOCALPAIR
    return attempt.phase is Phase.PREAMBLE and silent


def _latest(attempts: Iterable[Attempt]) -> list[Attempt]:
    """The last failure of each way; of dials between the dial ports only where there are no others."""
    latest = {attempt.candidate.key: attempt for attempt in attempts if attempt.outcome == "failed"}
    listeners = [attempt for attempt in latest.values() if not attempt.candidate.dial_from]
    return listeners or list(latest.values())


def _is_closed_everywhere(tried: list[Attempt]) -> bool:
    """Whether each address of the offer was answered by a host on which nobody listens, or by a firewall for it."""
    offered = [attempt for attempt in tried if attempt.candidate.origin is Origin.OFFER]
    return bool(offered) and all(attempt.errno == "ECONNREFUSED" for attempt in offered)


def _hint(record: SearchRecord, tried: list[Attempt], *, answered: bool) -> str:
    if record.refused_sends & {"EPERM", "EACCES"}:
        return "this host refuses to send to its own network: look for a VPN kill switch or a local firewall"
    if record.heard:
        return "it is near, but takes no connection: allow TCP and UDP 46820-46829 in its firewall, and in this one's"
    if record.part is Part.SEND and record.strangers:
        return (
            "most likely it has forgotten this device (see `localpair devices` there, and pair again), or it shows an "
            "offer and does not listen, or its address has gone to another device: `localpair listen` there tells"
        )
    if record.part is Part.JOIN and _is_closed_everywhere(tried):
        return (
            "most likely the offer was used already or the host has ended: host again there, and read the offer that "
            "is shown then; if it is still waiting, `localpair diagnose` on both devices shows what each of them sees"
        )
    strangers = [attempt for attempt in tried if _is_stranger(attempt)]
    if strangers and all(_is_stranger(attempt) or attempt.errno in _NOWHERE for attempt in tried):
        places = ", ".join(dict.fromkeys(str(attempt.candidate.address) for attempt in strangers))
        return (
            f"something else seems to answer at {places} in the other device's place, such as a login page or a proxy "
            "of this network: sign in to it with a browser, or use a hotspot or a cable between the two devices"
        )
    if not tried and record.held_back:
        return (
            "the other device is on a network whose addresses mean something there only: connect this device to the "
            "same network; `localpair diagnose` shows more"
        )
    if answered:
        return (
            "perhaps only the other device can open connections: join again with `--timeout 120` and type the answer "
            "code there in time; else `localpair diagnose` on both devices shows what each of them sees"
        )
    if tried and record.part is not Part.SEND:
        return (
            "are both on the same network? `localpair diagnose` on both devices shows what each of them sees"
        )
    doing = "running `localpair listen`" if record.part is Part.SEND else "still showing its offer"
    return f"is the other device {doing}, on the same network? `localpair diagnose` shows more"
